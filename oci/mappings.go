// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"

	"crisp/conmon"
	"crisp/conmon/plan"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// A user namespace that is joined has its mappings, which the spec need not say. Who needs them reads them: for the owners of ID-mapped mounts, of
// copied files, and of the cgroup.

// withMappings returns the spec with the mappings of the user namespace that it joins, if it needs them and does not have them. Those that it
// has must be the same.
func (r *Runtime) withMappings(ctx context.Context, spec *specs.Spec, monitor Executor) (*specs.Spec, error) {
	n := namespace(spec, specs.UserNamespace)
	if n == nil || n.Path == "" {
		return spec, nil
	}
	l := spec.Linux
	given := len(l.UIDMappings) > 0 || len(l.GIDMappings) > 0
	pid, byPid := processOf(n.Path)
	if given && !byPid || !given && !needsMappings(spec) {
		return spec, nil
	}
	uids, gids, err := r.mappings(ctx, n.Path, pid, monitor)
	if err != nil {
		return nil, fmt.Errorf("mappings of the user namespace %s: %w", n.Path, err)
	}
	if given {
		if sameMappings(l.UIDMappings, uids) && sameMappings(l.GIDMappings, gids) {
			return spec, nil
		}
		return nil, invalid("linux.uidMappings", "not those of the user namespace that is joined: "+idMapText(uids)+"and "+idMapText(gids))
	}
	s, linux := *spec, *l
	linux.UIDMappings, linux.GIDMappings = uids, gids
	s.Linux = &linux
	return &s, nil
}

// needsMappings says whether anything follows from the mappings.
func needsMappings(spec *specs.Spec) bool {
	return cgroupIsWritable(spec) || slices.ContainsFunc(spec.Mounts, func(m specs.Mount) bool {
		o := parseMountOptions(m.Options)
		return o.copyUp || o.idmap && len(m.UIDMappings) == 0 && len(m.GIDMappings) == 0
	})
}

// processOf reads "/proc/PID/ns/user".
func processOf(path string) (int, bool) {
	rest, ok := strings.CutPrefix(path, "/proc/")
	text, ok2 := strings.CutSuffix(rest, "/ns/user")
	pid, err := strconv.Atoi(text)
	return pid, ok && ok2 && err == nil && pid > 0
}

// mappings reads those of a user namespace: from a process that is in it, or else from one that is put there.
func (r *Runtime) mappings(ctx context.Context, path string, pid int, monitor Executor) (uids, gids []specs.LinuxIDMapping, err error) {
	ns, err := r.openNamespace(&FileRequest{Kind: FileNamespace, Path: path, Namespace: unix.CLONE_NEWUSER})
	if err != nil {
		return nil, nil, err
	}
	defer ns.Close()
	if pid == 0 {
		return visitMappings(ctx, ns, monitor)
	}
	if uids, gids, err = mappingsOf(pid); err != nil {
		return nil, nil, err
	}
	var is, was unix.Stat_t
	if err := errors.Join(unix.Stat(path, &is), unix.Fstat(int(ns.Fd()), &was)); err != nil {
		return nil, nil, err
	}
	if is.Ino != was.Ino { // the process has gone, and another has its number
		return nil, nil, fmt.Errorf("process %d: %w", pid, unix.ESRCH)
	}
	return uids, gids, nil
}

// visitMappings puts the pause program into a user namespace that has no process that we know.
func visitMappings(ctx context.Context, ns *os.File, monitor Executor) (uids, gids []specs.LinuxIDMapping, err error) {
	program, err := conmon.Binary()
	if err != nil {
		return nil, nil, err
	}
	p := plan.New()
	p.JoinUser = p.File()
	exec := plan.Make(plan.OpExec, "stay in the user namespace")
	exec.FD, exec.Argv = p.File(), []string{"pause"}
	p.Add(exec)
	e, err := monitor.Exec(ctx, conmon.ExecRequest{Plan: p, Files: []*os.File{ns, program}})
	if err != nil {
		return nil, nil, err
	}
	defer e.Close()
	uids, gids, err = mappingsOf(e.Pid)
	err = errors.Join(err, e.Signal(unix.SIGKILL))
	if _, waitErr := e.Wait(ctx); err == nil {
		err = waitErr
	}
	return uids, gids, err
}

func mappingsOf(pid int) (uids, gids []specs.LinuxIDMapping, err error) {
	read := func(name string) (m []specs.LinuxIDMapping) {
		b, readErr := os.ReadFile("/proc/" + itoa(pid) + name)
		if err = errors.Join(err, readErr); err == nil {
			m, err = parseIDMap(string(b))
		}
		return m
	}
	uids, gids = read("/uid_map"), read("/gid_map")
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("process %d: %w", pid, unix.ESRCH)
	}
	return uids, gids, err
}

// parseIDMap reads what idMapText writes, as the kernel shows it: in columns.
func parseIDMap(text string) ([]specs.LinuxIDMapping, error) {
	var all []specs.LinuxIDMapping
	for line := range strings.Lines(text) {
		var n [3]uint32
		f := strings.Fields(line)
		for i := range n {
			if len(f) != len(n) {
				return nil, fmt.Errorf("%q: not a line of a mapping", line)
			}
			v, err := strconv.ParseUint(f[i], 10, 32)
			if err != nil {
				return nil, fmt.Errorf("%q: not a line of a mapping", line)
			}
			n[i] = uint32(v)
		}
		all = append(all, specs.LinuxIDMapping{ContainerID: n[0], HostID: n[1], Size: n[2]})
	}
	return all, nil
}

// sameMappings says whether two lists map the same, in whatever order.
func sameMappings(a, b []specs.LinuxIDMapping) bool {
	sorted := func(m []specs.LinuxIDMapping) []specs.LinuxIDMapping {
		return slices.SortedFunc(slices.Values(m), func(x, y specs.LinuxIDMapping) int { return int(int64(x.ContainerID) - int64(y.ContainerID)) })
	}
	return slices.Equal(sorted(a), sorted(b))
}
