// SPDX-License-Identifier: Apache-2.0

package leak

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/nftables"
	"github.com/moby/sys/mountinfo"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

func mounts(Scope) ([]string, error) {
	all, err := mountinfo.GetMounts(nil)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, m := range all {
		names = append(names, fmt.Sprintf("%s (%s from %s)", m.Mountpoint, m.FSType, m.Source))
	}
	return names, nil
}

// cgroups walks every mounted hierarchy for directories of crisp's.
func cgroups(scope Scope) ([]string, error) {
	part := scope.Cgroup
	if part == "" {
		part = "crisp"
	}
	roots, err := mountinfo.GetMounts(mountinfo.FSTypeFilter("cgroup", "cgroup2"))
	if err != nil {
		return nil, err
	}
	var names []string
	for _, r := range roots {
		err := walk(r.Mountpoint, func(path string, d fs.DirEntry) {
			if d.IsDir() && strings.Contains(strings.TrimPrefix(path, r.Mountpoint), part) {
				names = append(names, path)
			}
		})
		if err != nil {
			return nil, err
		}
	}
	return names, nil
}

func links(Scope) ([]string, error) {
	all, err := netlink.LinkList()
	for errors.Is(err, netlink.ErrDumpInterrupted) { // a link came or went meanwhile
		all, err = netlink.LinkList()
	}
	if err != nil {
		return nil, err
	}
	var names []string
	for _, l := range all {
		names = append(names, l.Attrs().Name)
	}
	return names, nil
}

func tables(Scope) ([]string, error) {
	conn, err := nftables.New()
	if err != nil {
		return nil, err
	}
	all, err := conn.ListTables()
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EPROTONOSUPPORT) {
		return nil, nil // not root, or a kernel without nftables: none are ours
	}
	if err != nil {
		return nil, err
	}
	families := map[nftables.TableFamily]string{
		nftables.TableFamilyINet: "inet", nftables.TableFamilyIPv4: "ip", nftables.TableFamilyIPv6: "ip6",
		nftables.TableFamilyBridge: "bridge", nftables.TableFamilyNetdev: "netdev", nftables.TableFamilyARP: "arp",
	}
	var names []string
	for _, t := range all {
		names = append(names, families[t.Family]+" "+t.Name)
	}
	return names, nil
}

func segments(Scope) ([]string, error) {
	data, err := os.ReadFile("/proc/sysvipc/shm")
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var names []string
	for line := range strings.Lines(string(data)) {
		// proc_sysvipc(5): key shmid perms size …
		if f := strings.Fields(line); len(f) > 3 && f[0] != "key" {
			names = append(names, fmt.Sprintf("key %s, id %s, %s bytes", f[0], f[1], f[3]))
		}
	}
	return names, nil
}

func files(scope Scope) ([]string, error) {
	var names []string
	for _, dir := range scope.Dirs {
		if err := walk(dir, func(path string, _ fs.DirEntry) { names = append(names, path) }); err != nil {
			return nil, err
		}
	}
	return names, nil
}

// walk tolerates what disappears on the way.
func walk(root string, visit func(string, fs.DirEntry)) error {
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV) {
			return nil
		}
		if err == nil {
			visit(path, d)
		}
		return err
	})
}
