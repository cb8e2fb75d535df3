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

// run is the kernel's interpreter (kernel/bpf/core.c) for what seccomp_check_filter lets through, and it checks what
// bpf_check_classic checks: known instructions, jumps within the program.
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
