// SPDX-License-Identifier: Apache-2.0

package operation

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"crisp/conmon"
	"crisp/oci"
	"crisp/oci/cgroup"
	"crisp/oci/config"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// CreateRequest says what to create.
type CreateRequest struct {
	ID             string
	Bundle         string // absolute
	*config.Config        // of LoadConfig

	ConsoleSocket string // who gets the master of the terminal; "" for none
	PidfdSocket   string // who gets a pidfd of the first process; "" for none
	PidFile       string // "" for none
	PreserveFDs   int    // so many files from number 3 (behind those of LISTEN_FDS) on become the workload's
	NoPivot       bool
	NoNewKeyring  bool

	atTerminal func(*os.File) error // see oci.CreateRequest
}

// Create makes a container whose workload waits for Start. On an error nothing is left of it.
func (r *Runtime) Create(ctx context.Context, q CreateRequest) error {
	if err := checkConsole(q.Spec.Process, true, q.ConsoleSocket); err != nil {
		return err
	}
	c, p, err := r.create(ctx, &q, false)
	if err != nil {
		return err
	}
	defer c.Close()
	return p.Close()
}

// checkConsole refuses a terminal without somebody to hold its master, and somebody to hold it without a terminal.
func checkConsole(p *specs.Process, detach bool, socket string) error {
	switch {
	case detach && p.Terminal && socket == "":
		return ErrNoConsoleSocket
	case (!detach || !p.Terminal) && socket != "":
		return ErrOddConsoleSocket
	}
	return nil
}

// create makes a container, and its process, whose files are the caller's. The container's lock is held until its Close. With atOnce
// the workload runs already.
func (r *Runtime) create(ctx context.Context, q *CreateRequest, atOnce bool) (_ *container, _ conmon.Process, err error) {
	var undo undo
	defer undo.run()
	sinks, err := dialSinks(q.ConsoleSocket, q.PidfdSocket)
	if err != nil {
		return nil, conmon.Process{}, err
	}
	defer sinks.Close()
	extra, err := extraFiles(q.Spec.Process, q.PreserveFDs)
	if err != nil {
		return nil, conmon.Process{}, err
	}
	c, err := r.begin(q, &undo)
	if err != nil {
		return nil, conmon.Process{}, err
	}
	if err := c.tellNotify(q.Spec); err != nil {
		return nil, conmon.Process{}, err
	}
	if atOnce {
		if c.notify, err = c.listenNotify(); err != nil {
			return nil, conmon.Process{}, err
		}
	}
	m := maker{container: c, request: q, atOnce: atOnce, extra: extra}
	p, err := m.make(ctx, &undo)
	if err != nil {
		return nil, conmon.Process{}, err
	}
	if err := sinks.send(p); err != nil {
		return nil, conmon.Process{}, err
	}
	if err := pidFile(q.PidFile, p.Pid); err != nil {
		return nil, conmon.Process{}, err
	}
	undo.release()
	return c, p, nil
}

// begin makes a container's directory and describes it there; undo removes it again.
func (r *Runtime) begin(q *CreateRequest, undo *undo) (*container, error) {
	c, err := r.directory(q.ID)
	if err != nil {
		return nil, err
	}
	undo.push(func() {
		if err := c.remove(); err != nil {
			r.config.Log.Error("remove the record of a failed container", "error", err)
		}
		c.Close()
	})
	return c, c.describe(q)
}

// describe makes the record of what is going to be made: whatever happens from here on, delete finds it.
func (c *container) describe(q *CreateRequest) error {
	if err := c.findCgroup(q); err != nil {
		return err
	}
	c.config = q.Raw
	c.record = record{
		ID: q.ID, Version: q.Spec.Version, Bundle: q.Bundle, Created: time.Now().UTC(), Annotations: q.Spec.Annotations,
		Cgroup: oci.CgroupPath(q.ID, q.Spec), Hierarchies: c.Hierarchies, Systemd: c.runtime.config.Systemd, Hooks: laterHooks(q.Spec.Hooks),
		OwnPIDs: ownPIDs(q.Spec), NoKeyring: q.NoNewKeyring, Program: q.Spec.Process.Args[0], ListenFDs: listenFDs(),
	}
	if l := q.Spec.Linux; l != nil && l.IntelRdt != nil { // delete is told
		text, err := json.Marshal(l.IntelRdt)
		if err != nil {
			return err
		}
		c.IntelRdt = string(text)
	}
	if q.Spec.Root != nil {
		c.Rootfs = q.Spec.Root.Path
		if !filepath.IsAbs(c.Rootfs) {
			c.Rootfs = filepath.Join(q.Bundle, c.Rootfs)
		}
	}
	return c.write()
}

// laterHooks says whether there are hooks to run after the creation.
func laterHooks(h *specs.Hooks) bool {
	return h != nil && len(h.StartContainer)+len(h.Poststart)+len(h.Poststop) > 0
}

func ownPIDs(s *specs.Spec) bool {
	if s.Linux == nil {
		return false
	}
	for _, n := range s.Linux.Namespaces {
		if n.Type == specs.PIDNamespace {
			return n.Path == ""
		}
	}
	return false
}

// A maker makes the process of a container that has its record.
type maker struct {
	container *container
	request   *CreateRequest
	atOnce    bool
	extra     []*os.File
}

// make makes the container's process, and records it.
func (m *maker) make(ctx context.Context, undo *undo) (conmon.Process, error) {
	c, q := m.container, m.request
	e, err := c.runtime.openEngine()
	if err != nil {
		return conmon.Process{}, err
	}
	defer e.Close()
	var start *os.File
	if !m.atOnce {
		if start, err = conmon.Listen(c.inside(startName)); err != nil {
			return conmon.Process{}, err
		}
		defer start.Close()
	}
	if err := subreaper(true); err != nil {
		return conmon.Process{}, err
	}
	o := &once{container: c, stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr}
	program, err := c.runtime.program(q.Config)
	if err != nil {
		return conmon.Process{}, err
	}
	made, err := e.oci.Create(ctx, oci.CreateRequest{
		ID: c.ID, Monitor: o, Spec: q.Spec, Program: program, Bundle: q.Bundle, Start: start, AtOnce: m.atOnce, Extra: m.extra,
		NoPivot: q.NoPivot, NoKeyring: q.NoNewKeyring, FindProgram: true, AtTerminal: q.atTerminal,
	})
	if err != nil {
		return conmon.Process{}, programError(c.rootlessError(err), q.Spec.Process.Args[0])
	}
	p := o.made
	undo.push(func() {
		discard(made, c.runtime)
		p.Close()
	})
	s, err := readStat(p.Pid)
	if err != nil && !(m.atOnce && errors.Is(err, unix.ENOENT)) { // it may have ended
		return conmon.Process{}, fmt.Errorf("process %d: %w", p.Pid, err)
	}
	c.Pid, c.StartTime, c.Notes = p.Pid, s.startTime, o.notes
	c.Mount = made.Root()
	if made.Cgroup != nil {
		c.Freezer = made.Cgroup.FreezerFile()
	}
	return p, c.write()
}

// undoTimeout bounds the end of a container that could not be made in whole.
const undoTimeout = 10 * time.Second

// discard ends a container that was made.
func discard(c *oci.Container, r *Runtime) {
	ctx, cancel := context.WithTimeout(context.Background(), undoTimeout)
	defer cancel()
	_ = c.Kill(unix.SIGKILL)
	err := c.KillAll(ctx)
	if c.Pidfd != nil {
		waitPidfd(ctx, int(c.Pidfd.Fd()))
	}
	if err = errors.Join(err, c.Delete(ctx)); err != nil && !errors.Is(err, cgroup.ErrNotFound) {
		r.config.Log.Error("end a failed container", "container", c.ID, "error", err)
	}
}

// waitPidfd waits until a process has exited, and says whether it has.
func waitPidfd(ctx context.Context, fd int) bool {
	timeout := -1
	if d, ok := ctx.Deadline(); ok {
		timeout = int(max(0, time.Until(d)/time.Millisecond))
	}
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	for {
		n, err := unix.Poll(fds, timeout)
		if !errors.Is(err, unix.EINTR) {
			return n > 0
		}
	}
}
