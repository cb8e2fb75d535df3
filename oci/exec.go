// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"cmp"
	"context"
	"errors"
	"os"

	"crisp/conmon"
	"crisp/oci/cgroup"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// ExecRequest says what to execute in a container. Files go straight into the process and stay the caller's.
type ExecRequest struct {
	ID                    string // of the exec itself, "" for a random one
	Process               *specs.Process
	Stdin, Stdout, Stderr *os.File
	TTY                   bool
	Extra                 []*os.File // from number 3 on
	NoKeyring             bool       // the process keeps the session keyring of whoever makes it
	// AtTerminal is called with the slave of the process's terminal, when there is one, before the process is executed: for its settings.
	AtTerminal func(*os.File) error
	Cgroups    map[string]string // below the container's, by controller, "" for v2's; see cgroup.JoinBelow
	// Status is the container's, for the agent of its seccomp profile; "": running.
	Status specs.ContainerState
}

// Exec runs a further process in the container and returns when its exec has succeeded. ErrNotRunning when the container's first
// process has exited.
func (c *Container) Exec(ctx context.Context, q ExecRequest) (*conmon.Exec, error) {
	c.pidfd.RLock()
	defer c.pidfd.RUnlock()
	if !c.running(0) {
		return nil, ErrNotRunning
	}
	o := c.options()
	o.TTY, o.Extra, o.NoKeyring, o.AtTerminal = q.TTY, len(q.Extra), q.NoKeyring, q.AtTerminal != nil
	o.Home, o.AllCPUs = c.home(q.Process), narrowed()
	compiled, err := CompileExec(c.joinSpec(), q.Process, o)
	if err != nil {
		return nil, err
	}
	for _, w := range compiled.Warnings {
		c.runtime.log.Debug(w, "container", c.ID) // said at Create
	}
	join, err := c.joinFor(q.Cgroups)
	if err != nil {
		return nil, c.gone(err)
	}
	defer join.Close()
	g := given{container: c.Pidfd, pid: c.Pid, join: join, extra: q.Extra, status: cmp.Or(q.Status, specs.StateRunning)}
	set, err := serveTerminal(compiled, &g, q.AtTerminal)
	if err != nil {
		return nil, err
	}
	e, err := c.execute(ctx, compiled, g, conmon.ExecRequest{
		ID: q.ID, Stdin: q.Stdin, Stdout: q.Stdout, Stderr: q.Stderr, TTY: q.TTY || q.Process.Terminal,
	})
	if setErr := set(); setErr != nil { // the executor knows only that the process died
		if err == nil {
			e.Close()
		}
		return nil, setErr
	}
	if err != nil {
		return nil, c.gone(err)
	}
	return e, nil
}

// execute opens the files of a plan and has the executor make the process, beside the container's first one.
func (c *Container) execute(ctx context.Context, compiled *Compiled, g given, q conmon.ExecRequest) (_ *conmon.Exec, err error) {
	var opened cleanup
	defer opened.run()
	finish, err := c.serveAgent(ctx, compiled, &g)
	if err != nil {
		return nil, err
	}
	q.Plan = compiled.Plan
	if q.Files, err = c.runtime.openFiles(compiled.Files, g, &opened); err != nil {
		return nil, errors.Join(err, finish())
	}
	e, err := c.monitor.Exec(ctx, q)
	if agentErr := finish(); agentErr != nil { // the executor knows only that the process died, or had but to execute
		if err == nil {
			e.Close()
		}
		return nil, agentErr
	}
	return e, err
}

// joinFor opens what an exec enters its cgroups by.
func (c *Container) joinFor(below map[string]string) (cgroup.Join, error) {
	if len(below) > 0 {
		return c.Cgroup.JoinBelow(below)
	}
	return c.Cgroup.JoinBeside(c.Pid)
}

// exitPatience is how long an exit may take from the end of a process's namespaces to its pidfd, in milliseconds.
const exitPatience = 100

// gone makes an error ErrNotRunning when the container's exit is what it comes from: its namespaces (ESRCH), its cgroup (ENOENT) or
// its process 1 (ENOMEM) are gone before the pidfd tells. It wants the lock of the pidfd.
func (c *Container) gone(err error) error {
	var step *conmon.StepError
	if errors.As(err, &step) && step.Errno == unix.ENOENT { // a missing program
		return err
	}
	for _, e := range []error{unix.ESRCH, unix.ENOENT, unix.ENOMEM} {
		if errors.Is(err, e) && !c.running(exitPatience) {
			return errors.Join(ErrNotRunning, err)
		}
	}
	return err
}
