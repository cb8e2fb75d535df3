// SPDX-License-Identifier: Apache-2.0

package seccomp

import (
	"encoding/binary"
	"fmt"
	"math"

	"golang.org/x/sys/unix"
)

// A call is a struct seccomp_data. The instruction pointer counts for nothing here.
type call struct {
	nr, arch uint32
	args     [maxArgs]uint64
}

func (c call) bytes(order binary.ByteOrder) []byte {
	b := make([]byte, 64)
	order.PutUint32(b[nrOffset:], c.nr)
	order.PutUint32(b[archOffset:], c.arch)
	for i, a := range c.args {
		order.PutUint64(b[argsOffset+8*i:], a)
	}
	return b
}

// filter reads the program's instructions.
func (p Program) filter(m machine) []unix.SockFilter {
	filter := make([]unix.SockFilter, len(p.Bytes)/8)
	for i := range filter {
		b := p.Bytes[8*i:]
		filter[i] = unix.SockFilter{Code: m.order().Uint16(b), Jt: b[2], Jf: b[3], K: m.order().Uint32(b[4:])}
	}
	return filter
}

// validate checks all instructions as the kernel does when it loads a program (bpf_check_classic, seccomp_check_filter).
func validate(program []unix.SockFilter) error {
	for pc, i := range program {
		rest := len(program) - pc - 1
		if i.Code&7 == unix.BPF_JMP && (int(i.Jt) >= rest || int(i.Jf) >= rest) || i.Code == unix.BPF_JMP|unix.BPF_JA && int(i.K) >= rest {
			return fmt.Errorf("instruction %d of %d jumps out of the program: %+v", pc, len(program), i)
		}
	}
	if last := program[len(program)-1]; last.Code != unix.BPF_RET|unix.BPF_K || len(program) > maxInstructions {
		return fmt.Errorf("%d instructions, the last is %+v", len(program), last)
	}
	return nil
}

// run is the kernel's interpreter (kernel/bpf/core.c) for the instructions that programs here have, or libseccomp's.
func run(program []unix.SockFilter, data []byte, order binary.ByteOrder) (action, error) {
	var acc uint32
	for pc := 0; pc < len(program); pc++ {
		i := program[pc]
		var holds bool
		switch i.Code {
		case unix.BPF_LD | unix.BPF_W | unix.BPF_ABS:
			if i.K%4 != 0 || int(i.K)+4 > len(data) {
				return 0, fmt.Errorf("instruction %d loads at %d", pc, i.K)
			}
			acc = order.Uint32(data[i.K:])
			continue
		case unix.BPF_ALU | unix.BPF_AND | unix.BPF_K:
			acc &= i.K
			continue
		case unix.BPF_RET | unix.BPF_K:
			return action(i.K), nil
		case unix.BPF_JMP | unix.BPF_JA:
			if uint64(pc)+uint64(i.K) > math.MaxInt32 {
				return 0, fmt.Errorf("instruction %d jumps %d", pc, i.K)
			}
			pc += int(i.K)
			continue
		case unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K:
			holds = acc == i.K
		case unix.BPF_JMP | unix.BPF_JGT | unix.BPF_K:
			holds = acc > i.K
		case unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K:
			holds = acc >= i.K
		case unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K:
			holds = acc&i.K != 0
		default:
			return 0, fmt.Errorf("instruction %d: code %#x", pc, i.Code)
		}
		if holds {
			pc += int(i.Jt)
		} else {
			pc += int(i.Jf)
		}
	}
	return 0, fmt.Errorf("ran off the end of %d instructions", len(program))
}
