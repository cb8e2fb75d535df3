// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// devices returns the device nodes and the cgroup rules of a container. Privileged: every node of the host's /dev, and all
// allowed. Otherwise what the CRI lists; a directory means every node below it.
func devices(in ContainerInput) ([]specs.LinuxDevice, []specs.LinuxDeviceCgroup, error) {
	if in.Config.GetLinux().GetSecurityContext().GetPrivileged() {
		nodes, err := nodesBelow("/dev", "/dev", true)
		return nodes, []specs.LinuxDeviceCgroup{{Allow: true, Access: "rwm"}}, err
	}
	rules := []specs.LinuxDeviceCgroup{{Allow: false, Access: "rwm"}}
	var nodes []specs.LinuxDevice
	for _, d := range in.Config.GetDevices() {
		n, err := criDevice(d)
		if err != nil {
			return nil, nil, fmt.Errorf("device %s: %w", d.GetHostPath(), err)
		}
		for _, node := range n {
			rules = append(rules, specs.LinuxDeviceCgroup{Allow: true, Type: node.Type, Major: ptr(node.Major), Minor: ptr(node.Minor), Access: d.GetPermissions()})
		}
		nodes = append(nodes, n...)
	}
	return nodes, rules, nil
}

func criDevice(d *runtime.Device) ([]specs.LinuxDevice, error) {
	if p := d.GetPermissions(); p == "" || strings.Trim(p, "rwm") != "" || len(p) > 3 {
		return nil, invalid("permissions", fmt.Sprintf("%q is no subset of rwm", p))
	}
	if d.GetContainerPath() == "" {
		return nil, invalid("container_path", "is empty")
	}
	real, err := filepath.EvalSymlinks(d.GetHostPath())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	st, err := os.Stat(real)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if st.IsDir() {
		return nodesBelow(real, cleanAbs(d.GetContainerPath()), false)
	}
	node, ok, err := deviceNode(real, cleanAbs(d.GetContainerPath()))
	if err == nil && !ok {
		err = invalid("host_path", "is neither a device nor a directory")
	}
	return []specs.LinuxDevice{node}, err
}

// ownDevices are not copied from the host's /dev: the container has its own.
var ownDevices = map[string]bool{"pts": true, "shm": true, "mqueue": true, "console": true, "fd": true, "ptmx": true, "lxc": true, "lxd-fuse": true, ".udev": true, "hugepages": true}

// nodesBelow lists the device nodes below dir, placed below to.
func nodesBelow(dir, to string, hostDev bool) ([]specs.LinuxDevice, error) {
	var out []specs.LinuxDevice
	err := filepath.WalkDir(dir, func(p string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // nodes come and go
		}
		if err != nil {
			return err
		}
		if hostDev && filepath.Dir(p) == dir && ownDevices[e.Name()] {
			if e.IsDir() {
				return filepath.SkipDir
			}
			return nil
		}
		if e.Type()&fs.ModeDevice == 0 {
			return nil
		}
		node, ok, err := deviceNode(p, to+strings.TrimPrefix(p, dir))
		if ok {
			out = append(out, node)
		}
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		return err
	})
	return out, err
}

// deviceNode describes the device node at host for the container's path to; ok is false when it is no device.
func deviceNode(host, to string) (d specs.LinuxDevice, ok bool, err error) {
	var st unix.Stat_t
	if err := unix.Lstat(host, &st); err != nil {
		return d, false, &fs.PathError{Op: "lstat", Path: host, Err: err}
	}
	d = specs.LinuxDevice{Path: to, Major: int64(unix.Major(st.Rdev)), Minor: int64(unix.Minor(st.Rdev)), FileMode: ptr(os.FileMode(st.Mode & 0o777)), UID: ptr(st.Uid), GID: ptr(st.Gid)}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFCHR:
		d.Type = "c"
	case unix.S_IFBLK:
		d.Type = "b"
	default:
		return d, false, nil
	}
	return d, true, nil
}
