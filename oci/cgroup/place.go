// SPDX-License-Identifier: Apache-2.0

package cgroup

import (
	"os"
	"path"
	"slices"
	"strings"

	"github.com/moby/sys/userns"
	"golang.org/x/sys/unix"
)

// A Place is where somebody who is not the host's root may make a cgroup.
type Place struct {
	Path        string
	Hierarchies []string // for Config.Only; nil: all, empty: nowhere
}

// Place finds where this process may make a cgroup of that name: at the top, for who may do that in every hierarchy, else below the one that
// it is in, where somebody has delegated that to its user. On v1 it may be in many; those count that have the same path.
func (m *Manager) Place(name string) (Place, error) {
	text, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return Place{}, err
	}
	at := Place{Hierarchies: []string{}}
	denied := func(h *hierarchy) bool { return !h.delegated(".") }
	if !slices.ContainsFunc(m.hierarchies, denied) {
		return Place{Path: path.Join("/", name)}, nil
	}
	for _, h := range slices.Backward(m.hierarchies) { // the unified one first
		own, ok := h.of(string(text))
		p := path.Join(own, name)
		if !ok || at.Path != "" && at.Path != p || !h.delegated(own[1:]) {
			continue
		}
		at.Path = p
		at.Hierarchies = append(at.Hierarchies, h.name)
	}
	return at, nil
}

// of finds the hierarchy's line in the text of /proc/PID/cgroup.
func (h *hierarchy) of(text string) (string, bool) {
	if h.v2 {
		return PathIn(text, "")
	}
	return PathIn(text, h.name)
}

// PathIn finds the cgroup of a hierarchy with that controller, or "name=…", in the text of /proc/PID/cgroup, one line "number:controllers:path" each; v2's
// has none. A path that begins with ".." is above the root of the process's cgroup namespace, and does not count.
func PathIn(text, controller string) (string, bool) {
	for line := range strings.Lines(text) {
		f := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(f) != 3 || !strings.HasPrefix(f[2], "/") || f[2] == "/.." || strings.HasPrefix(f[2], "/../") {
			continue
		}
		if slices.Contains(strings.Split(f[1], ","), controller) {
			return f[2], true
		}
	}
	return "", false
}

// delegated says whether this process may make a cgroup below one that it is in, and enter it. On v2 that takes the right to move
// processes within what both have in common (cgroups(7), "Cgroups delegation").
func (h *hierarchy) delegated(p string) bool {
	root, err := h.fd()
	if err != nil {
		return false
	}
	may := func(name string, how uint32) bool { return unix.Faccessat(root, name, how, unix.AT_EACCESS) == nil }
	return may(path.Join(".", p), unix.W_OK|unix.X_OK) && (!h.v2 || may(path.Join(".", p, "cgroup.procs"), unix.W_OK))
}

// unprivileged says whether this process is not the host's root: its containers cannot make devices, nor open any that it could not.
func unprivileged() bool { return os.Geteuid() != 0 || userns.RunningInUserNS() }
