// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"crisp/conmon"
	"crisp/oci/hook"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// hooks is what the hooks of a container run with; nil for one without any.
//
//	prestart, createRuntime   by hook.Command, at the halt of the container's plan
//	createContainer           by a plan of CompileHook, at the same halt
//	startContainer            by a plan of CompileExec, before the workload is executed
//	poststart, poststop       by hook.Command, in Start and Delete
type hooks struct {
	all     *specs.Hooks
	state   specs.State    // without status and pid
	process *specs.Process // what startContainer hooks run as
	root    string         // root.path, absolute
	reached bool           // the halt was reached: poststop hooks run whatever comes
}

func newHooks(id string, spec *specs.Spec, bundle string) *hooks {
	if spec.Hooks == nil {
		return nil
	}
	h := &hooks{
		all: spec.Hooks, process: spec.Process,
		state: specs.State{Version: spec.Version, ID: id, Bundle: bundle, Annotations: spec.Annotations},
	}
	if spec.Root != nil {
		h.root = spec.Root.Path
		if !filepath.IsAbs(h.root) {
			h.root = filepath.Join(bundle, h.root)
		}
	}
	return h
}

// at returns the state as it is told to hooks.
func (h *hooks) at(status specs.ContainerState, pid int) specs.State {
	s := h.state
	s.Status, s.Pid = status, pid
	return s
}

// beforePivot runs the hooks of the container's halt; pid is of its first process.
func (c *Container) beforePivot(ctx context.Context, pid int) error {
	h := c.hooks
	if h == nil {
		return nil
	}
	h.reached = true
	ours := hook.Command(h.state.Bundle)
	state := h.at(specs.StateCreating, pid)
	for _, k := range []hook.Kind{hook.Prestart, hook.CreateRuntime} {
		if err := hook.Of(h.all, k).Run(ctx, state, ours); err != nil {
			return err
		}
	}
	inside := hook.Of(h.all, hook.CreateContainer)
	if len(inside.Hooks) == 0 {
		return nil
	}
	return c.inside(ctx, pid, inside, specs.StateCreating, func(q *specs.Hook) (*Compiled, error) {
		return CompileHook(c.joinSpec(), q, h.root, c.options())
	})
}

// halted is what is done while the container's first process waits for it.
func (c *Container) halted(ctx context.Context, pid int, q *CreateRequest) error {
	if err := c.beforePivot(ctx, pid); err != nil {
		return err
	}
	if q.AtHalt == nil {
		return nil
	}
	return q.AtHalt(ctx, pid)
}

// undoHooks runs the poststop hooks of a container that could not be made, if others ran before.
func (c *Container) undoHooks() {
	if c.hooks == nil || !c.hooks.reached {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), poststopTimeout)
	defer cancel()
	c.poststop(ctx)
}

// poststopTimeout bounds the poststop hooks of what could not be created, whose caller may have gone.
const poststopTimeout = time.Minute

// beforeExec runs the startContainer hooks: as the workload's user, with its rights and in its namespaces.
func (c *Container) beforeExec(ctx context.Context) error {
	if c.hooks == nil {
		return nil
	}
	l := hook.Of(c.hooks.all, hook.StartContainer)
	if len(l.Hooks) == 0 {
		return nil
	}
	return c.inside(ctx, c.Pid, l, specs.StateCreated, func(q *specs.Hook) (*Compiled, error) {
		p := *c.hooks.process
		p.Args, p.Terminal, p.ExecCPUAffinity = hook.Args(q), false, nil
		o := c.options()
		o.ExecPath, o.Home = q.Path, c.home(&p)
		if len(q.Env) > 0 { // none: the workload's, as runc has it
			p.Env, o.Home = q.Env, ""
		}
		return CompileExec(c.joinSpec(), &p, o)
	})
}

// poststart runs the poststart hooks. One that fails is an error since runtime-spec 1.3; whoever wrote a configuration by an
// earlier one was promised that the container goes on, with a warning (runtime.md, "Lifecycle", step 9).
func (c *Container) poststart(ctx context.Context) error {
	h := c.hooks
	if h == nil {
		return nil
	}
	l, state, run := hook.Of(h.all, hook.Poststart), h.at(specs.StateRunning, c.Pid), hook.Command(h.state.Bundle)
	if _, minor, _ := parseVersion(h.state.Version); minor >= 3 {
		return l.Run(ctx, state, run)
	}
	if err := l.RunAll(ctx, state, run); err != nil {
		c.runtime.log.Warn("poststart hooks", "container", c.ID, "error", err)
	}
	return nil
}

// poststop runs the poststop hooks, once. What goes wrong is a warning.
func (c *Container) poststop(ctx context.Context) {
	h := c.hooks
	if h == nil || !c.poststopped.CompareAndSwap(false, true) {
		return
	}
	if err := hook.Of(h.all, hook.Poststop).RunAll(ctx, h.at(specs.StateStopped, 0), hook.Command(h.state.Bundle)); err != nil {
		c.runtime.log.Warn("poststop hooks", "container", c.ID, "error", err)
	}
}

// joinSpec is what the plan of a process that joins the container needs of its spec.
func (c *Container) joinSpec() *specs.Spec {
	return &specs.Spec{Linux: &c.linux}
}

// inside runs hooks as processes of the container. They are told the pid of its first process as they see it (runtime.md, State).
func (c *Container) inside(
	ctx context.Context, pid int, l hook.List, status specs.ContainerState, compile func(*specs.Hook) (*Compiled, error),
) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return fmt.Errorf("hooks.%s: process %d: %w", l.Kind, pid, err)
	}
	pidfd := os.NewFile(uintptr(fd), "pidfd")
	defer pidfd.Close()
	own, err := innerPid(pid)
	if err != nil {
		return fmt.Errorf("hooks.%s: %w", l.Kind, err)
	}
	return l.Run(ctx, c.hooks.at(status, own), func(ctx context.Context, h *specs.Hook, stdin []byte) error {
		compiled, err := compile(h)
		if err != nil {
			return err
		}
		return c.runToEnd(ctx, compiled, given{container: pidfd, pid: pid, status: status}, stdin)
	})
}

// innerPid is the pid that a process has in its own PID namespace: the last of NSpid (proc_pid_status(5)).
func innerPid(pid int) (int, error) {
	b, err := os.ReadFile("/proc/" + itoa(pid) + "/status")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		if list, ok := strings.CutPrefix(line, "NSpid:"); ok {
			fields := strings.Fields(list)
			if n := len(fields); n > 0 {
				return strconv.Atoi(fields[n-1])
			}
		}
	}
	return pid, nil // a kernel without PID namespaces
}

// runToEnd carries out the plan of a hook, gives it its stdin, and waits for its end.
func (c *Container) runToEnd(ctx context.Context, compiled *Compiled, g given, stdin []byte) error {
	var opened cleanup
	defer opened.run()
	var err error
	if g.join, err = c.Cgroup.JoinBeside(g.pid); err != nil {
		return err
	}
	opened.push(func() { g.join.Close() })
	in, err := memoryFile(stdin)
	if err != nil {
		return err
	}
	opened.file(in)
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	opened.file(r)
	e, err := c.execute(ctx, compiled, g, conmon.ExecRequest{Stdin: in, Stdout: w, Stderr: w})
	w.Close()
	if err != nil {
		return err
	}
	defer e.Close()
	var output hook.Tail
	read := make(chan struct{})
	go func() {
		defer close(read)
		_, _ = r.WriteTo(&output)
	}()
	x, err := waitOrKill(ctx, e)
	_ = r.SetReadDeadline(time.Now().Add(hookPatience)) // something that it left behind may hold the pipe for ever
	<-read
	return hookEnd(ctx, x, err, output.String())
}

// hookPatience is how long the output of a hook is waited for after its end, and killGrace its end after its kill.
const (
	hookPatience = 200 * time.Millisecond
	killGrace    = 10 * time.Second
)

// pidfdSignalProcessGroup is PIDFD_SIGNAL_PROCESS_GROUP (Linux 6.9).
const pidfdSignalProcessGroup = 1 << 2

// waitOrKill waits for the exit of a hook, and kills its process group when ctx ends before.
func waitOrKill(ctx context.Context, e *conmon.Exec) (conmon.Exit, error) {
	x, err := e.Wait(ctx)
	if err == nil || ctx.Err() == nil {
		return x, err
	}
	if unix.PidfdSendSignal(int(e.Pidfd.Fd()), unix.SIGKILL, nil, pidfdSignalProcessGroup) != nil {
		_ = unix.Kill(-e.Pid, unix.SIGKILL) // it leads a session
		_ = e.Signal(unix.SIGKILL)
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), killGrace)
	defer cancel()
	return e.Wait(grace)
}

// hookEnd is what became of a hook.
func hookEnd(ctx context.Context, x conmon.Exit, err error, output string) error {
	if err != nil {
		return err
	}
	var failed error
	switch {
	case x.Signal != 0:
		failed = &hook.ExitError{Status: "signal: " + unix.SignalName(unix.Signal(x.Signal)), Output: output}
	case x.Code != 0:
		failed = &hook.ExitError{Status: "exit status " + itoa(x.Code), Output: output}
	default:
		return nil
	}
	if ctx.Err() != nil {
		return fmt.Errorf("%w: %w", ctx.Err(), failed)
	}
	return failed
}

// memoryFile is an anonymous file with a content, at its start.
func memoryFile(content []byte) (*os.File, error) {
	fd, err := unix.MemfdCreate("stdin", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	f := os.NewFile(uintptr(fd), "stdin")
	_, err = f.Write(content)
	if err == nil {
		_, err = f.Seek(0, 0)
	}
	if err == nil {
		_, err = unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, unix.F_SEAL_WRITE|unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_SEAL)
	}
	if err != nil {
		f.Close()
		return nil, errors.Join(errors.New("stdin of a hook"), err)
	}
	return f, nil
}
