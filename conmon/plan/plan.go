// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Reg names a register: a place for one file descriptor of the child.
type Reg int16

const (
	// NoReg is no register. Calls that take a directory then get AT_FDCWD.
	NoReg Reg = -1
	// NumRegs is how many registers there are.
	NumRegs = nregs
	// Version is the version of the plan's form and of the socket's protocol.
	Version = protocolVersion
	// MaxFiles is how many files can travel with a plan: one message's worth, less the plan, the log, the exit
	// directory and the OOM counter.
	MaxFiles = maxFds - 4
)

// Op is the operation of a step.
type Op uint16

// String returns the name of the operation as protocol.h has it: "MOVE_MOUNT".
func (o Op) String() string {
	if o.known() {
		return ops[o].name
	}
	return fmt.Sprintf("OP_%d", uint16(o))
}

func (o Op) known() bool { return int(o) < len(ops) && ops[o].name != "" }

// Step is one step. Make gives one whose registers are empty; the zero Step has register 0 in all three.
// Which fields an operation takes stands beside its constant, and Encode refuses others.
type Step struct {
	Op      Op
	Skip    int          // steps to jump over after a tolerated failure
	FD, FD2 Reg          // f and g
	Out     Reg          // where the resulting descriptor goes
	OK      []unix.Errno // failures that are none, three at most
	Str     [3]string    // s, t and u; an empty one is NULL unless Has says otherwise
	Has     [3]bool      // Str[i] is the empty string, not NULL
	Blob    []byte       // instead of the string that the operation takes as a blob: SECCOMP, SETGROUPS and SCHED_* s, WRITE t
	Argv    []string     // EXEC: t
	Env     []string     // EXEC: u
	Arg     [4]uint64    // a to d; a of EXEC is filled in by Encode
	Note    string       // what the step is for, in words: "mount /proc"
}

// Make returns a step without registers.
//
//go:noinline // it is hundreds of times in package oci
func Make(op Op, note string) Step {
	return Step{Op: op, FD: NoReg, FD2: NoReg, Out: NoReg, Note: note}
}

// Plan is everything that makes one process.
type Plan struct {
	Steps      []Step
	CloneFlags uint64 // CLONE_NEW*: the namespaces that the process is born in
	CgroupFD   Reg    // a cgroup v2 directory to be born in
	JoinUser   Reg    // a namespace file or pidfd whose user namespace is joined before the clone
	JoinPID    Reg    // the same for the PID namespace
	// Joins are other namespace files, in registers in a row, that are joined before the clone: of somebody else than the user namespace.
	Joins   []Reg
	UIDMap  string // text for /proc/PID/uid_map, with CLONE_NEWUSER
	GIDMap  string
	NumFDs  int  // files that travel along: registers 0 to NumFDs-1
	Barrier bool // has a BARRIER step
	// OOMAdj is the oom_score_adj of the process, nil for that of the daemon. It is clamped where the daemon may not lower it.
	OOMAdj *int

	regs int // registers handed out by File and Reg
}

// New returns an empty plan.
func New() *Plan {
	return &Plan{CgroupFD: NoReg, JoinUser: NoReg, JoinPID: NoReg}
}

// File returns the register of the next file that travels with the plan. All calls come before the first of Reg.
func (p *Plan) File() Reg {
	p.NumFDs++
	p.regs = max(p.regs, p.NumFDs)
	return Reg(p.NumFDs - 1)
}

// Reg returns a register that is not in use yet, for the Out of a step.
func (p *Plan) Reg() Reg {
	p.regs = max(p.regs, p.NumFDs) + 1
	return Reg(p.regs - 1)
}

// Add appends a step and returns its index.
//
//go:noinline // as Make
func (p *Plan) Add(s Step) int {
	p.Steps = append(p.Steps, s)
	p.Barrier = p.Barrier || s.Op == OpBarrier
	return len(p.Steps) - 1
}

// Note returns the words of the step with an index, "" where there are none.
func (p *Plan) Note(index int) string {
	if p == nil || index < 0 || index >= len(p.Steps) {
		return ""
	}
	return p.Steps[index].Note
}
