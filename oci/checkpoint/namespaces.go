// SPDX-License-Identifier: Apache-2.0

package checkpoint

import (
	"fmt"
	"os"

	"crisp/oci/checkpoint/criu"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// externalKeys are the names, for criu, of namespaces that were joined by path: it takes those of the network and of PIDs by descriptor. The names are
// runc's, which can restore our checkpoints then, and we runc's.
func externalKey(t specs.LinuxNamespaceType) (prefix, key string, ok bool) {
	switch t {
	case specs.NetworkNamespace:
		return "net", "extRootNetNS", true
	case specs.PIDNamespace:
		return "pid", "extRootPidNS", true
	}
	return "", "", false
}

// joined calls f for each namespace with a path.
func (c *Container) joined(f func(*specs.LinuxNamespace) error) error {
	if c.Spec.Linux == nil {
		return nil
	}
	for i := range c.Spec.Linux.Namespaces {
		if n := &c.Spec.Linux.Namespaces[i]; n.Path != "" {
			if err := f(n); err != nil {
				return err
			}
		}
	}
	return nil
}

// dumpNamespaces names the namespaces that criu leaves out.
func (c *Container) dumpNamespaces() ([]string, error) {
	var all []string
	err := c.joined(func(n *specs.LinuxNamespace) error {
		prefix, key, ok := externalKey(n.Type)
		if !ok {
			return nil
		}
		var st unix.Stat_t
		if err := unix.Stat(n.Path, &st); err != nil {
			return &os.PathError{Op: "stat", Path: n.Path, Err: err}
		}
		all = append(all, fmt.Sprintf("%s[%d]:%s", prefix, st.Ino, key))
		return nil
	})
	return all, err
}

// restoreNamespaces has criu join the namespaces again. It opens files, which become criu's from the descriptor first on.
func (c *Container) restoreNamespaces(q *criu.Options, first int) (files []*os.File, err error) {
	err = c.joined(func(n *specs.LinuxNamespace) error {
		_, key, ok := externalKey(n.Type)
		if !ok {
			if n.Type == specs.CgroupNamespace || n.Type == specs.TimeNamespace {
				return fmt.Errorf("%s: %w", n.Type, ErrNamespace)
			}
			q.JoinNamespaces = append(q.JoinNamespaces, criu.Pair{Key: criuName(n.Type), Value: n.Path})
			return nil
		}
		f, err := os.Open(n.Path)
		if err != nil {
			return fmt.Errorf("%s namespace: %w", n.Type, err)
		}
		q.InheritFDs = append(q.InheritFDs, criu.InheritFD{Key: key, FD: first + len(files)})
		files = append(files, f)
		return nil
	})
	if err != nil {
		closeAll(files)
		return nil, err
	}
	return files, nil
}

// criuName is a namespace's name for criu, and in /proc/PID/ns.
func criuName(t specs.LinuxNamespaceType) string {
	if t == specs.MountNamespace {
		return "mnt"
	}
	return string(t)
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}
