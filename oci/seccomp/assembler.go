// SPDX-License-Identifier: Apache-2.0

package seccomp

import (
	"slices"

	"golang.org/x/sys/unix"
)

// Offsets in struct seccomp_data (include/uapi/linux/seccomp.h).
const (
	nrOffset   = 0
	archOffset = 4
	argsOffset = 16
)

// An assembler builds a program from its end to its start: BPF jumps forwards only, so every target is known when the jump to it is
// written. The methods return the label of what they wrote; the instruction that is written next falls through to it. Only ret may return
// a label from earlier.
type assembler struct {
	rev     []unix.SockFilter // the last instruction first
	returns map[action]label  // the latest of each
}

func newAssembler() *assembler {
	return &assembler{rev: make([]unix.SockFilter, 0, 512), returns: map[action]label{}}
}

// A label is an instruction's index in rev.
type label int

func (p *assembler) emit(i unix.SockFilter) label {
	p.rev = append(p.rev, i)
	return label(len(p.rev) - 1)
}

func (p *assembler) load(offset uint32) label {
	return p.emit(unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset})
}

func (p *assembler) and(mask uint32) label {
	return p.emit(unix.SockFilter{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: mask})
}

// ret returns the latest return of the action when it is near enough to be worth a jump.
func (p *assembler) ret(a action) label {
	if at, ok := p.returns[a]; ok && len(p.rev)-int(at) < 192 {
		return at
	}
	at := p.emit(unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: uint32(a)})
	p.returns[a] = at
	return at
}

// here makes what is written next fall through to the target.
func (p *assembler) here(target label) {
	if int(target) != len(p.rev)-1 {
		p.emit(unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JA, K: uint32(len(p.rev) - int(target) - 1)})
	}
}

// jump writes "if A <op> k goto yes else goto no".
func (p *assembler) jump(op uint16, k uint32, yes, no label) label {
	yes, no = p.near(yes, 1), p.near(no, 0)
	at := len(p.rev)
	return p.emit(unix.SockFilter{
		Code: unix.BPF_JMP | op | unix.BPF_K, K: k,
		Jt: uint8(at - int(yes) - 1), Jf: uint8(at - int(no) - 1),
	})
}

// near returns a label that a conditional jump can reach, 255 instructions at most, when up to more instructions come between: the
// target itself, a copy of it when it is a return, or a long jump to it.
func (p *assembler) near(target label, more int) label {
	if len(p.rev)+more-int(target)-1 <= 255 {
		return target
	}
	if i := p.rev[target]; i.Code == unix.BPF_RET|unix.BPF_K {
		return p.ret(action(i.K))
	}
	return p.emit(unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JA, K: uint32(len(p.rev) - int(target) - 1)})
}

// program returns the instructions in their order.
func (p *assembler) program() []unix.SockFilter {
	program := slices.Clone(p.rev)
	slices.Reverse(program)
	return program
}
