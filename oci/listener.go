// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"

	"crisp/conmon"
	"crisp/conmon/plan"
	"crisp/oci/agent"
	"crisp/oci/seccomp"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// loadSeccomp has the kernel filter the process's calls from here on. When it notifies, somebody must answer before anything goes on:
//
//	the process                          us                                        the agent
//	  | SECCOMP -> listener
//	  | the listener, or a byte ───────▶ | (the listener is taken from the process)
//	  |                                  | state, listener ───────────────────────▶ |
//	  | ◀─────────────────── end of file |                                          |
//	  | whatever it notifies of ────────────────────────────────────────────────▶   | answers
func (a *assembly) loadSeccomp(p *seccomp.Program) {
	if p == nil {
		return
	}
	a.about("load the seccomp program")
	listener := plan.NoReg
	if p.Listener != nil {
		listener = a.reg()
	}
	s := a.step(plan.OpSeccomp, p.Flags)
	s.Blob, s.Out = p.Bytes, listener
	if p.Listener == nil {
		return
	}
	a.about("hand the seccomp listener to %s", p.Listener.Path)
	if p.Listener.ByWrite {
		s := a.step(plan.OpWrite)
		s.FD, s.Blob = a.agent, []byte{'l'}
	} else {
		s := a.step(plan.OpSendFd)
		s.FD, s.FD2 = listener, a.agent
	}
	a.step(plan.OpWaitFd).FD = a.agent
	a.close(listener) // that of a dead agent's calls fail, others would wait for ever
	a.close(a.agent)
}

// requestAgent requests the socket to us, by which the listener goes to the agent.
func (a *assembly) requestAgent(p *seccomp.Program) {
	if p != nil && p.Listener != nil {
		a.agent = a.file(FileRequest{Kind: FileAgent, Note: "who hands the seccomp listener on"})
	}
}

// filteredLate says whether the seccomp program is loaded right before the exec, so that it need allow nothing but that. One that notifies
// is loaded before the barrier: whoever makes the container finds out whether the agent is there, as with runc.
func (a *assembly) filteredLate(p *seccomp.Program) bool {
	return p != nil && a.process.NoNewPrivileges && p.Listener == nil
}

// Notifies says whether the processes of the container have an agent.
func (c *Container) Notifies() bool { return c.process != nil }

// containerProcess is what an agent is told of the processes of a container; nil when there is none.
func (c *Container) containerProcess(spec *specs.Spec, bundle string) *specs.ContainerProcessState {
	if c.program == nil || c.program.Listener == nil {
		return nil
	}
	return &specs.ContainerProcessState{
		Version: specs.Version, Fds: []string{specs.SeccompFdName}, Metadata: c.program.Listener.Metadata,
		State: specs.State{Version: spec.Version, ID: c.ID, Bundle: bundle, Annotations: spec.Annotations},
	}
}

// serveAgent waits for the listener of the process that is about to be made, when its plan has one, and hands it on. finish tells how that went,
// when the process was made or was not.
func (c *Container) serveAgent(ctx context.Context, compiled *Compiled, g *given) (finish func() error, err error) {
	if !compiled.has(FileAgent) {
		return func() error { return nil }, nil
	}
	h, err := conmon.NewHalt()
	if err != nil {
		return nil, err
	}
	state := *c.process
	state.State.Status = g.status
	first := g.pid
	h.Serve(func(p conmon.Halted) error {
		state.Pid, state.State.Pid = p.Pid, cmp.Or(first, p.Pid)
		return c.handOver(ctx, p, &state)
	})
	g.agent = h.Child
	return h.Finish, nil
}

// handOver gives the agent the listener of a process.
func (c *Container) handOver(ctx context.Context, p conmon.Halted, state *specs.ContainerProcessState) (err error) {
	path := c.program.Listener.Path
	if !filepath.IsAbs(path) {
		path = filepath.Join(state.State.Bundle, path)
	}
	listener := p.File
	if listener == nil {
		listener, err = agent.TakeListener(p.Pid)
	}
	if err == nil {
		defer listener.Close()
		var message []byte
		if message, err = json.Marshal(state); err == nil {
			err = agent.Send(ctx, path, message, listener)
		}
	}
	if err != nil {
		return fmt.Errorf("linux.seccomp.listenerPath %s: %w", path, err)
	}
	return nil
}
