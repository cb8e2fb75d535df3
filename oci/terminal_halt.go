// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"fmt"
	"os"

	"crisp/conmon"
	"crisp/conmon/plan"

	"golang.org/x/sys/unix"
)

// requestTerminal requests the socket to us, by which the process shows its terminal: whoever holds the master wants settings of it changed
// before the workload writes a line.
func (a *assembly) requestTerminal() {
	if a.opts.AtTerminal && a.tty() {
		a.terminal = a.file(FileRequest{Kind: FileTerminal, Note: "who sets the terminal up"})
	}
}

func (a *assembly) showTerminal(peer plan.Reg) {
	if a.terminal == plan.NoReg {
		return
	}
	a.about("have the terminal set up")
	s := a.step(plan.OpSendFd)
	s.FD, s.FD2 = peer, a.terminal
	a.step(plan.OpWaitFd).FD = a.terminal
	a.close(a.terminal)
}

// serveTerminal waits for the terminal of the process that is about to be made, when its plan shows it. finish tells how that went, when the
// process was made or was not.
func serveTerminal(compiled *Compiled, g *given, set func(*os.File) error) (finish func() error, err error) {
	if !compiled.has(FileTerminal) {
		return func() error { return nil }, nil
	}
	h, err := conmon.NewHalt()
	if err != nil {
		return nil, err
	}
	h.Serve(func(p conmon.Halted) error {
		if p.File == nil {
			return fmt.Errorf("terminal: %w", unix.EBADF)
		}
		defer p.File.Close()
		if err := set(p.File); err != nil {
			return fmt.Errorf("terminal: %w", err)
		}
		return nil
	})
	g.terminal = h.Child
	return h.Finish, nil
}
