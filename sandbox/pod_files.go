// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"strings"

	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"

	"crisp/sandbox/spec"
)

// The generated files of a pod, in its state directory; containers get them as bind mounts. They are for this boot only.
const (
	fileHostname = "hostname"
	fileResolv   = "resolv.conf"
	fileHosts    = "hosts"
)

// maxHostFile bounds what is copied from the node's /etc.
const maxHostFile = 1 << 20

// hostname is the pod's, or the node's for a pod in the node's network namespace.
func hostname(c *runtime.PodSandboxConfig) (string, error) {
	hostNet := c.GetLinux().GetSecurityContext().GetNamespaceOptions().GetNetwork() == runtime.NamespaceMode_NODE
	if !hostNet && c.GetHostname() != "" {
		return c.GetHostname(), nil
	}
	name, err := os.Hostname()
	if err != nil {
		return "", fmt.Errorf("hostname of the node: %w", err)
	}
	return name, nil
}

// resolvConf is resolv.conf(5) for the pod, or nil when the config says nothing: then it is a copy of the node's.
func resolvConf(d *runtime.DNSConfig) ([]byte, error) {
	if len(d.GetServers())+len(d.GetSearches())+len(d.GetOptions()) == 0 {
		return nil, nil
	}
	var b bytes.Buffer
	for _, list := range []struct {
		word  string
		items []string
		each  bool // one line an item
	}{{"search", d.GetSearches(), false}, {"nameserver", d.GetServers(), true}, {"options", d.GetOptions(), false}} {
		for _, item := range list.items {
			if !oneLine(item) || item != strings.TrimSpace(item) {
				return nil, fmt.Errorf("DNS %s %q: %w", list.word, item, ErrInvalid)
			}
			if list.each {
				fmt.Fprintf(&b, "%s %s\n", list.word, item)
			}
		}
		if !list.each && len(list.items) > 0 {
			fmt.Fprintf(&b, "%s %s\n", list.word, strings.Join(list.items, " "))
		}
	}
	return b.Bytes(), nil
}

// hosts is hosts(5) for a pod with its own network, for containers that are given none (the kubelet gives one).
func hosts(name string, ips []netip.Addr) []byte {
	var b bytes.Buffer
	b.WriteString("127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n")
	for _, ip := range ips {
		fmt.Fprintf(&b, "%s\t%s\n", ip, name)
	}
	return b.Bytes()
}

// readHostFile reads one of the node's files, empty when it is not there.
func readHostFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxHostFile))
}

// writePodFiles makes the files that do not depend on the network.
func (m *Manager) writePodFiles(p *pod) error {
	name, err := hostname(p.rec.Config)
	if err != nil {
		return err
	}
	resolv, err := resolvConf(p.rec.Config.GetDnsConfig())
	if err == nil && resolv == nil {
		resolv, err = readHostFile("/etc/resolv.conf")
	}
	if err != nil {
		return err
	}
	if err := m.writePodFile(p, fileHostname, []byte(name+"\n")); err != nil {
		return err
	}
	return m.writePodFile(p, fileResolv, resolv)
}

// writeHosts makes the file that does.
func (m *Manager) writeHosts(p *pod, ips []netip.Addr) error {
	name, err := hostname(p.rec.Config)
	if err != nil {
		return err
	}
	data := hosts(name, ips)
	if p.hostNetwork() {
		if data, err = readHostFile("/etc/hosts"); err != nil {
			return err
		}
	}
	return m.writePodFile(p, fileHosts, data)
}

func (m *Manager) writePodFile(p *pod, name string, data []byte) error {
	path := m.dirs.podFile(p.rec.ID, name)
	if err := os.WriteFile(path, data, 0o644); err != nil {
		return err
	}
	return p.giveToRoot(path)
}

// giveToRoot makes the root of the pod's user namespace the owner of a file that is the pod's.
func (p *pod) giveToRoot(path string) error {
	uids, gids, err := spec.UserNamespace(p.options())
	if err != nil || len(uids) == 0 {
		return err
	}
	return os.Chown(path, int(uids[0].HostID), int(gids[0].HostID))
}
