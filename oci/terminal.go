// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"crisp/conmon/plan"

	"golang.org/x/sys/unix"
)

// devptsMagic is DEVPTS_SUPER_MAGIC of include/uapi/linux/magic.h.
const devptsMagic = 0x1cd1

// unchanged is the ID that chown(2) leaves as it is.
const unchanged = 1<<32 - 1

// stdio makes the monitor's pipes, or the files of an exec, the process's stdio; a terminal is that already.
func (a *assembly) stdio() {
	if a.tty() {
		return
	}
	a.about("set up stdio")
	a.step(plan.OpStdio)
	if uid := a.process.User.UID; uid != 0 { // so that it may open /dev/stdout
		a.step(plan.OpFchownStdio, uint64(uid))
	}
}

// makeConsole makes a terminal of the container's own devpts, gives it to the process as stdio, and binds it on /dev/console.
func (a *assembly) makeConsole() {
	if !a.tty() {
		return
	}
	peer := a.makeTerminal(a.root)
	a.about("mount /dev/console")
	tree := a.clone(peer, 0)
	var target plan.Reg
	if a.dev != plan.NoReg {
		target = a.point(a.dev, "console", pointFile, plan.NoReg)
	} else {
		target = a.point(a.root, "/dev/console", pointFile, plan.NoReg)
	}
	a.attach(tree, target)
	a.close(target)
	a.close(tree)
	a.close(peer)
}

// makeTerminal makes the terminal and returns the register of its slave. root is where /dev/pts is looked up when the plan did not
// mount it itself.
func (a *assembly) makeTerminal(root plan.Reg) plan.Reg {
	a.about("make the terminal")
	pts := a.devpts
	if pts == plan.NoReg {
		pts = a.openat(root, "/dev/pts", opath|directory, inRoot|noMagicLinks)
		a.step(plan.OpVerifyFs, devptsMagic).FD = pts
	}
	peer := a.reg()
	var rows, cols uint64
	if size := a.process.ConsoleSize; size != nil {
		rows, cols = uint64(size.Height), uint64(size.Width)
	}
	s := a.step(plan.OpPty, rows, cols, uint64(a.process.User.UID), unchanged)
	s.FD, s.Out = pts, peer
	if a.devpts == plan.NoReg {
		a.close(pts)
	}
	a.showTerminal(peer)
	return peer
}

// newSession makes the process the leader of a session; with a terminal it is one already.
func (a *assembly) newSession() {
	if !a.tty() {
		a.about("make a session")
		a.step(plan.OpSetsid)
	}
	if a.opts.NoKeyring {
		return
	}
	a.about("join the session keyring")
	s := a.step(plan.OpKeyring)
	s.Str[0] = "_ses." + a.opts.ID // as runc names it: one for all processes of the container
	refused := a.tolerate(unix.ENOSYS)
	a.step(plan.OpKeyctl, unix.KEYCTL_SETPERM, sessionKeyring, searchableByUser)
	a.tolerate(unix.EACCES, unix.EPERM) // it is another's: it was joined
	a.skipHere(refused)
}

const (
	// sessionKeyring is KEY_SPEC_SESSION_KEYRING.
	sessionKeyring = 1<<64 - 3
	// searchableByUser is what the kernel gives a session keyring (possessor: all, user: view and read), and search for the user: who
	// joins it by its name, as an exec does, must be allowed to search it (find_keyring_by_name), or gets another of the same name.
	searchableByUser = 0x3f1b0000
)
