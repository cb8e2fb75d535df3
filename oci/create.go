// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"time"

	"crisp/conmon"
	"crisp/oci/cgroup"
	"crisp/oci/hook"
	"crisp/oci/seccomp"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// undoTimeout bounds the removal of the cgroup of what could not be created.
const undoTimeout = 5 * time.Second

// CreateRequest says what to create. Files stay the caller's.
type CreateRequest struct {
	ID      string
	Monitor Executor
	Spec    *specs.Spec
	// Program is what linux.seccomp was compiled to already (oci/seccomp/cache); Spec need not have the profile then.
	Program *seccomp.Program
	// Bundle is the directory that a relative root.path starts at.
	Bundle string
	// Rootfs is a detached mount (fsmount, open_tree) that becomes the root; nil: spec.Root.Path is opened.
	Rootfs *os.File
	// Mounts are detached mounts that take the place of the sources of the bind mounts in Spec, by their destination as it stands
	// there (image volumes). Each is copied, so that one file may serve several containers, but before Linux 6.15 only one.
	Mounts map[string]*os.File
	// ExecFile is executed instead of the file named by process.args[0]; nothing of it need be in the rootfs.
	ExecFile              *os.File
	Log, ExitDir          *os.File // see conmon.CreateRequest
	TTY, Stdin, StdinOnce bool

	// Start is a listening socket: whoever connects to it and sends a byte starts the container. Nil: Container.Start does.
	Start *os.File
	// AtOnce: there is no barrier; the workload runs when Create returns. Not for a container with startContainer hooks, which run while
	// it stands at the barrier.
	AtOnce bool
	// Extra are the process's files from number 3 on.
	Extra []*os.File
	// NoPivot: the root is entered by chroot, for a host whose root is an initial RAM file system, which pivot_root(2) refuses.
	NoPivot bool
	// NoKeyring: the process keeps the session keyring of whoever makes it.
	NoKeyring bool
	// FindProgram: that the program is missing is an error of Create already.
	FindProgram bool
	// AtHalt is called, after the hooks that come there, when the namespaces and mounts of the container are there and nothing of it runs yet; on its error the container
	// is not made.
	AtHalt func(ctx context.Context, pid int) error
	// AtTerminal is called with the slave of the process's terminal, when there is one, before anything is executed: for its settings.
	AtTerminal func(*os.File) error

	namespaces map[string]*os.File // as given
}

// Create makes the cgroup, opens the files that the plan asks for and has the monitor carry the plan out: then the container
// stands before its exec. On error everything that was made is undone.
func (r *Runtime) Create(ctx context.Context, q CreateRequest) (*Container, error) {
	c, err := r.container(q.ID, q.Spec, q.Program, q.Monitor)
	if err != nil {
		return nil, err
	}
	if q.Spec, err = r.withMappings(ctx, q.Spec, q.Monitor); err != nil {
		return nil, err
	}
	c.hooks, c.process = newHooks(q.ID, q.Spec, q.Bundle), c.containerProcess(q.Spec, q.Bundle)
	c.root = newRootMount(q.Spec, q.Bundle, "")
	options := r.createOptions(&q, c)
	if err := options.look(&q); err != nil {
		return nil, err
	}
	compiled, err := Compile(q.Spec, options)
	if err != nil {
		return nil, err
	}
	for _, w := range compiled.Warnings {
		r.log.Warn(w, "container", q.ID)
	}
	var undo, opened cleanup
	defer opened.run()
	if q.namespaces, err = r.openNamespaces(compiled.Files, &opened); err != nil { // before anything is made
		return nil, err
	}
	defer undo.run()
	if c.Cgroup, err = r.cgroups.Make(ctx, cgroup.Request{
		Path: c.cgroupPath, Resources: q.Spec.Linux.Resources, Annotations: q.Spec.Annotations,
	}); err != nil {
		return nil, err
	}
	undo.push(func() { r.dropCgroup(c); c.undoHooks(); c.undoRoot() })
	if err := r.giveCgroup(q.Spec, c.Cgroup); err != nil {
		return nil, err
	}
	if err := r.makeResctrl(c, &undo); err != nil {
		return nil, err
	}
	var devices netDevices
	undo.push(func() { devices.undo(r, q.ID) })
	p, err := r.carryOut(ctx, &q, c, compiled, &devices)
	if err != nil {
		return nil, err
	}
	c.Pid, c.Pidfd = p.Pid, p.Pidfd
	if q.AtOnce {
		if err := c.started(ctx); err != nil {
			return nil, err
		}
	}
	devices.release()
	undo.release()
	return c, nil
}

// createOptions are the options for the plan of a new container.
func (r *Runtime) createOptions(q *CreateRequest, c *Container) CompileOptions {
	o := c.options()
	o.Bundle, o.Rootfs, o.ExecFile, o.TTY = q.Bundle, q.Rootfs != nil, q.ExecFile != nil, q.TTY
	o.Mounts = make(map[string]bool, len(q.Mounts))
	for destination, f := range q.Mounts {
		o.Mounts[destination] = f != nil
	}
	o.Start, o.AtOnce, o.Extra = q.Start != nil, q.AtOnce, len(q.Extra)
	o.Halt = q.AtHalt != nil || hook.BeforePivot(q.Spec.Hooks) || q.Spec.Linux != nil && len(q.Spec.Linux.NetDevices) > 0
	o.AtTerminal = q.AtTerminal != nil
	o.AllCPUs = narrowed()
	o.NoPivot, o.NoKeyring, o.FindProgram = q.NoPivot, q.NoKeyring, q.FindProgram
	return o
}

// carryOut opens the files of a plan and has the monitor make the process.
func (r *Runtime) carryOut(
	ctx context.Context, q *CreateRequest, c *Container, compiled *Compiled, devices *netDevices,
) (conmon.Process, error) {
	var opened cleanup // closed in any case: the child has its own
	defer opened.run()
	join, err := c.Cgroup.Join()
	if err != nil {
		return conmon.Process{}, err
	}
	opened.push(func() { join.Close() })
	oom, err := c.Cgroup.OOMFile()
	switch {
	case err == nil:
		opened.file(oom)
	case !errors.Is(err, cgroup.ErrNoController): // without it, nobody can tell
		return conmon.Process{}, err
	}
	g := given{rootfs: q.Rootfs, exec: q.ExecFile, mounts: q.Mounts, namespaces: q.namespaces, join: join, start: q.Start, extra: q.Extra, status: specs.StateCreating}
	finish := func() error { return nil }
	if compiled.halts() {
		h, err := conmon.NewHalt()
		if err != nil {
			return conmon.Process{}, err
		}
		h.Serve(func(p conmon.Halted) error {
			if err := devices.move(r, q.Spec.Linux.NetDevices, p.Pid); err != nil {
				return err
			}
			return c.halted(ctx, p.Pid, q)
		})
		g.halt, finish = h.Child, h.Finish
	}
	copied, err := startCopyUps(ctx, compiled, &g)
	if err != nil {
		return conmon.Process{}, errors.Join(err, copied.finish(), finish())
	}
	told, err := c.serveAgent(ctx, compiled, &g)
	if err != nil {
		return conmon.Process{}, errors.Join(err, copied.finish(), finish())
	}
	shown, err := c.watchRoot(compiled, &g)
	if err != nil {
		return conmon.Process{}, errors.Join(err, copied.finish(), finish(), told())
	}
	set, err := serveTerminal(compiled, &g, q.AtTerminal)
	if err != nil {
		return conmon.Process{}, errors.Join(err, copied.finish(), finish(), told(), shown())
	}
	p, err := r.make(ctx, q, compiled, g, oom, &opened)
	if haltErr := errors.Join(copied.finish(), finish(), told(), shown(), set()); haltErr != nil { // the executor knows only that the process died
		if err == nil { // it is killed with its cgroup
			p.Close()
		}
		return conmon.Process{}, haltErr
	}
	return p, err
}

// make opens the files that the plan asks for and has the executor make the process.
func (r *Runtime) make(ctx context.Context, q *CreateRequest, compiled *Compiled, g given, oom *os.File, opened *cleanup) (conmon.Process, error) {
	files, err := r.openFiles(compiled.Files, g, opened)
	if err != nil {
		return conmon.Process{}, err
	}
	return q.Monitor.Create(ctx, conmon.CreateRequest{
		ID: q.ID, Plan: compiled.Plan, Files: files, Log: q.Log, ExitDir: q.ExitDir, OOM: oom,
		TTY: q.TTY || q.Spec.Process.Terminal, Stdin: q.Stdin, StdinOnce: q.StdinOnce,
	})
}

// dropCgroup removes the cgroup of a container that could not be created, with whatever is left in it.
func (r *Runtime) dropCgroup(c *Container) {
	ctx, cancel := context.WithTimeout(context.Background(), undoTimeout)
	defer cancel()
	if err := errors.Join(c.Cgroup.Kill(ctx), c.Cgroup.Remove(ctx)); err != nil {
		r.log.Error("cgroup of a failed container stays", "container", c.ID, "cgroup", c.cgroupPath, "error", err)
	}
}

// container makes the handle of a container that is not made yet. Of the spec it keeps what execs need: a node has hundreds.
func (r *Runtime) container(id string, spec *specs.Spec, program *seccomp.Program, monitor Executor) (*Container, error) {
	if spec == nil {
		return nil, invalid("config.json", "missing")
	}
	if program == nil {
		var err error
		if program, err = compileSeccomp(spec, r.seccomp.Compile); err != nil {
			return nil, err
		}
	}
	c := &Container{ID: id, runtime: r, monitor: monitor, cgroupPath: CgroupPath(id, spec), program: program}
	var err error
	if c.cgroupDir, err = r.cgroups.Directory(c.cgroupPath); err != nil {
		return nil, err
	}
	if l := spec.Linux; l != nil {
		c.linux = specs.Linux{
			Namespaces: l.Namespaces, MemoryPolicy: l.MemoryPolicy, Personality: l.Personality, IntelRdt: l.IntelRdt,
		}
	}
	return c, nil
}

// CgroupPath is linux.cgroupsPath below the root of the hierarchies; a container without one gets its own.
func CgroupPath(id string, spec *specs.Spec) string {
	if spec.Linux == nil || spec.Linux.CgroupsPath == "" {
		return "/crisp-" + id
	}
	if p := spec.Linux.CgroupsPath; path.IsAbs(p) || isSystemdPath(p) {
		return p
	}
	return "/" + spec.Linux.CgroupsPath
}

// isSystemdPath recognizes "slice:prefix:name", which is for the systemd driver.
func isSystemdPath(p string) bool {
	var colons int
	for _, r := range p {
		if r == ':' {
			colons++
		}
	}
	return colons == 2
}

// LoadRequest names a container that exists, after a restart of the daemon.
type LoadRequest struct {
	ID      string
	Spec    *specs.Spec
	Program *seccomp.Program // as CreateRequest.Program
	Bundle  string           // as CreateRequest.Bundle: hooks are told
	Root    string           // Container.Root
	Pid     int              // of its first process; 0: it has exited
	Monitor Executor
}

// Load returns the handle of a container that an earlier Create made.
func (r *Runtime) Load(ctx context.Context, q LoadRequest) (*Container, error) {
	c, err := r.container(q.ID, q.Spec, q.Program, q.Monitor)
	if err != nil {
		return nil, fmt.Errorf("load %s: %w", q.ID, err)
	}
	c.hooks, c.process = newHooks(q.ID, q.Spec, q.Bundle), c.containerProcess(q.Spec, q.Bundle)
	c.root = newRootMount(q.Spec, q.Bundle, q.Root)
	cg, err := r.cgroups.Open(c.cgroupPath)
	if err != nil && !errors.Is(err, cgroup.ErrNotFound) {
		return nil, err
	}
	if err == nil {
		c.Cgroup = cg
	}
	if q.Pid == 0 {
		return c, nil
	}
	if err := c.find(ctx, q.Pid); err != nil {
		return nil, fmt.Errorf("load %s: %w", q.ID, err)
	}
	return c, nil
}

// find takes the pidfd of the first process from the monitor, whose child it is: the pid of a record may be another's by now.
func (c *Container) find(ctx context.Context, pid int) error {
	states, err := c.monitor.List(ctx)
	if err != nil {
		return err
	}
	for _, s := range states {
		switch {
		case s.Pidfd == nil:
		case s.ID == c.ID && !s.Exec:
			c.Pid, c.Pidfd = s.Pid, s.Pidfd
		default:
			s.Pidfd.Close()
		}
	}
	if c.Pidfd != nil && c.Pid != pid {
		return fmt.Errorf("its process is %d, not %d", c.Pid, pid)
	}
	return nil
}
