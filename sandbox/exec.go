// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"

	"crisp/conmon"
	"crisp/oci"
	"crisp/sandbox/proctree"
	"crisp/sandbox/spec"
	"crisp/sandbox/stdio"
)

// Size is a terminal's.
type Size struct{ Rows, Cols uint16 }

// ExecRequest describes an interactive command. Streams that are nil are absent. They stay the caller's, who closes them after
// Exec has returned: a Read of Stdin may be under way until then.
type ExecRequest struct {
	Cmd            []string
	TTY            bool
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Resize         <-chan Size // may be nil; closed by the sender
}

// execStart bounds the making of an exec's process, which takes about a millisecond.
const execStart = 30 * time.Second

// runningContainer finds a container that can be executed in.
func (m *Manager) runningContainer(id string) (*container, *oci.Container, error) {
	c, err := m.index.container(id)
	if err != nil {
		return nil, nil, err
	}
	if s := c.state(); s != runtime.ContainerState_CONTAINER_RUNNING {
		return nil, nil, fmt.Errorf("container %s: %w: it is %s", c.rec.ID, ErrNotRunning, stateWord(s))
	}
	oc := c.live.Load()
	if oc == nil {
		return nil, nil, fmt.Errorf("container %s: %w: its monitor does not answer", c.rec.ID, ErrState)
	}
	return c, oc, nil
}

// startExec makes the process of an exec, which belongs to the caller's ctx: an exec whose caller is gone is killed.
func (m *Manager) startExec(ctx context.Context, c *container, oc *oci.Container, q oci.ExecRequest, cmd []string) (*conmon.Exec, error) {
	base, err := m.containerProcess(c)
	if err != nil {
		return nil, err
	}
	if q.Process, err = spec.ExecProcess(base, cmd, q.TTY); err != nil {
		return nil, jobError(err)
	}
	ctx, cancel := context.WithTimeout(ctx, execStart)
	defer cancel()
	x, err := oc.Exec(ctx, q)
	if errors.Is(err, oci.ErrNotRunning) {
		err = kinded{err, ErrNotRunning}
	}
	if err != nil {
		return nil, fmt.Errorf("exec in container %s: %w", c.rec.ID, err)
	}
	return x, nil
}

// containerProcess is the container's own process. After a restart of the daemon it is read from the bundle once.
func (m *Manager) containerProcess(c *container) (*specs.Process, error) {
	if p := c.process.Load(); p != nil {
		return p, nil
	}
	s, err := readBundle(m.dirs.bundleFile(c.rec.PodID, c.rec.ID))
	if err != nil {
		return nil, err
	}
	c.process.Store(s.Process)
	return s.Process, nil
}

func readBundle(path string) (*specs.Spec, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	s := &specs.Spec{}
	if err := json.Unmarshal(data, s); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if s.Process == nil {
		return nil, fmt.Errorf("%s: no process", path)
	}
	return s, nil
}

// Exec runs a command in a container and returns its exit code when it has ended and its output is copied.
func (m *Manager) Exec(ctx context.Context, id string, r ExecRequest) (int, error) {
	c, oc, err := m.runningContainer(id)
	if err != nil {
		return 0, err
	}
	if r.TTY {
		return m.execTTY(ctx, c, oc, r)
	}
	pipes, err := stdio.New(r.Stdin != nil, r.Stdout != nil, r.Stderr != nil)
	if err != nil {
		return 0, err
	}
	defer pipes.Close()
	x, err := m.startExec(ctx, c, oc, oci.ExecRequest{Stdin: pipes.In.R, Stdout: pipes.Out.W, Stderr: pipes.Err.W}, r.Cmd)
	if err != nil {
		return 0, err
	}
	defer x.Close()
	pipes.CloseRemote()
	pipes.Feed(r.Stdin)
	copied := pipes.Collect(r.Stdout, r.Stderr)
	exit, err := m.awaitExec(ctx, c, x)
	if err != nil {
		return 0, err
	}
	pipes.Drain(copied)
	return exit.Code, nil
}

// execTTY is Exec with a terminal, whose master both sides go through.
func (m *Manager) execTTY(ctx context.Context, c *container, oc *oci.Container, r ExecRequest) (int, error) {
	x, err := m.startExec(ctx, c, oc, oci.ExecRequest{TTY: true}, r.Cmd)
	if err != nil {
		return 0, err
	}
	defer x.Close()
	console, err := stdio.Pollable(x.Console)
	if err != nil {
		return 0, errors.Join(err, proctree.Kill(x.Pid, x.Pidfd))
	}
	defer console.Close()
	done := make(chan struct{})
	defer close(done)
	go resizeLoop(done, r.Resize, func(s Size) error { return x.Resize(s.Rows, s.Cols) })
	if r.Stdin != nil {
		go io.Copy(console, r.Stdin) // ends when the caller closes Stdin, or at the first write after the terminal is closed
	}
	copied := make(chan struct{})
	go func() {
		defer close(copied)
		io.Copy(stdio.OrDiscard(r.Stdout), console) // ends with EIO when nobody has the terminal any more
	}()
	exit, err := m.awaitExec(ctx, c, x)
	if err != nil {
		return 0, err
	}
	stdio.Drain(copied, console)
	return exit.Code, nil
}

// awaitExec waits for the end of an exec and kills it when ctx ends first.
func (m *Manager) awaitExec(ctx context.Context, c *container, x *conmon.Exec) (conmon.Exit, error) {
	exit, err := x.Wait(ctx)
	if err == nil {
		return exit, nil
	}
	if kerr := proctree.Kill(x.Pid, x.Pidfd); kerr != nil {
		c.log.Warn("exec not killed", "err", kerr)
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err = fmt.Errorf("%w: %w", ErrDeadline, err)
	}
	return conmon.Exit{}, fmt.Errorf("exec in container %s: %w", c.rec.ID, err)
}

func resizeLoop(done <-chan struct{}, sizes <-chan Size, resize func(Size) error) {
	for {
		select {
		case <-done:
			return
		case s, ok := <-sizes:
			if !ok {
				return
			}
			if s.Rows > 0 && s.Cols > 0 {
				_ = resize(s) // the terminal may be gone: its process ends then anyway
			}
		}
	}
}
