// SPDX-License-Identifier: Apache-2.0

package operation

import (
	"context"
	"errors"
	"os"

	"crisp/conmon"
	"crisp/oci"
	"crisp/oci/config"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// ExecRequest says what to execute, and in which container.
type ExecRequest struct {
	ID      string
	Process ProcessRequest

	ConsoleSocket string // who gets the master of the terminal; "" for none
	PidfdSocket   string // who gets a pidfd of the process; "" for none
	PidFile       string // "" for none
	PreserveFDs   int
	Cgroups       map[string]string // below the container's, by controller, "" for v2's
	Detach        bool              // return when the process runs
	IgnorePaused  bool              // a paused container may have it: it waits then

	atTerminal func(*os.File) error // see oci.ExecRequest
}

// Exec runs a further process in a container and, unless detached, waits for its end and returns its exit code.
func (r *Runtime) Exec(ctx context.Context, q ExecRequest) (int, error) {
	c, err := r.open(q.ID)
	if err != nil {
		return -1, err
	}
	defer c.Close()
	switch {
	case !c.alive():
		return -1, ErrExecStopped
	case !q.IgnorePaused && c.frozen():
		return -1, ErrExecPaused
	}
	kept, err := c.kept()
	if err != nil {
		return -1, err
	}
	process, err := q.Process.process(c.Bundle, kept.Spec.Process)
	if err != nil {
		return -1, err
	}
	if err := checkConsole(process, q.Detach, q.ConsoleSocket); err != nil {
		return -1, err
	}
	f, err := newForeground(process.Terminal, q.Detach)
	if err != nil {
		return -1, err
	}
	defer f.Close()
	q.atTerminal = f.terminalSetter()
	p, err := c.exec(ctx, &q, kept, process)
	if err != nil {
		return -1, programError(err, process.Args[0])
	}
	defer p.Close()
	if q.Detach {
		return 0, nil
	}
	if err := f.attach(p); err != nil {
		_ = unix.PidfdSendSignal(int(p.Pidfd.Fd()), unix.SIGKILL, nil, 0)
		_, _ = f.wait(p, false)
		return -1, err
	}
	return f.wait(p, false)
}

// exec makes the process.
func (c *container) exec(ctx context.Context, q *ExecRequest, kept *config.Config, process *specs.Process) (_ conmon.Process, err error) {
	sinks, err := dialSinks(q.ConsoleSocket, q.PidfdSocket)
	if err != nil {
		return conmon.Process{}, err
	}
	defer sinks.Close()
	extra, err := extraFiles(process, q.PreserveFDs)
	if err != nil {
		return conmon.Process{}, err
	}
	e, err := c.runtime.openEngine()
	if err != nil {
		return conmon.Process{}, err
	}
	defer e.Close()
	o := &once{container: c, waits: true}
	program, err := c.runtime.program(kept)
	if err != nil {
		return conmon.Process{}, err
	}
	k, err := e.oci.Load(ctx, oci.LoadRequest{ID: c.ID, Spec: kept.Spec, Program: program, Bundle: c.Bundle, Pid: c.Pid, Monitor: o})
	if err != nil {
		return conmon.Process{}, err
	}
	defer k.Close()
	if err := subreaper(true); err != nil {
		return conmon.Process{}, err
	}
	request := oci.ExecRequest{
		Process: process, Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		Extra: extra, NoKeyring: c.NoKeyring, Cgroups: q.Cgroups, AtTerminal: q.atTerminal,
	}
	if k.Notifies() {
		request.Status = specs.ContainerState(c.status())
	}
	if _, err = k.Exec(ctx, request); err != nil {
		return conmon.Process{}, err
	}
	p := o.made
	if err = errors.Join(sinks.send(p), pidFile(q.PidFile, p.Pid)); err != nil {
		_ = unix.PidfdSendSignal(int(p.Pidfd.Fd()), unix.SIGKILL, nil, 0)
		await(p.Pid)
		p.Close()
		return conmon.Process{}, err
	}
	return p, nil
}
