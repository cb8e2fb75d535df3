// SPDX-License-Identifier: Apache-2.0

package seccomp

import (
	"encoding/binary"
	"fmt"
	"runtime"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// A Program is a compiled profile. It is shared by everyone who compiled the same profile: do not write to it.
type Program struct {
	// Bytes is the filter as the kernel reads it: an array of struct sock_filter in the machine's byte order.
	Bytes []byte
	Flags uint64 // SECCOMP_FILTER_FLAG_*, as seccomp(2) takes them
	// Listener: some call asks a user-space agent. Flags has NEW_LISTENER then, and seccomp(2) returns the descriptor that the agent
	// is to get.
	Listener *Listener
}

// Compile compiles the profile for this machine, without a cache.
func Compile(profile *specs.LinuxSeccomp) (Program, error) {
	m, ok := machineOf(runtime.GOARCH)
	if !ok {
		return Program{}, fmt.Errorf("%w: %s", ErrArchitecture, runtime.GOARCH)
	}
	m.table = native()
	return compile(profile, m)
}

func compile(profile *specs.LinuxSeccomp, m machine) (Program, error) {
	if profile == nil {
		return Program{}, ErrNoProfile
	}
	p, err := newPolicy(profile, m)
	if err != nil {
		return Program{}, err
	}
	flags, err := newFlags(profile.Flags, p.notify)
	if err != nil {
		return Program{}, err
	}
	filter, err := p.assemble()
	if err != nil {
		return Program{}, err
	}
	return Program{Bytes: encode(filter, m), Flags: flags, Listener: p.listener}, nil
}

// maxInstructions is BPF_MAXINSNS of include/uapi/linux/bpf_common.h.
const maxInstructions = 4096

// assemble writes the program from its end: kill, the ABIs with the native one last, and the switch between them.
func (p *policy) assemble() ([]unix.SockFilter, error) {
	asm := newAssembler()
	var upper []span
	next := asm.ret(actionKill)
	for i := len(p.abis) - 1; i >= 0; i-- {
		a := p.abis[i]
		s := p.spans(a)
		if a.name == specs.ArchX32 {
			upper = s
			continue
		}
		if a.name == specs.ArchX86_64 {
			s = p.join(s, upper)
		}
		asm.here(emitTree(asm, a, s))
		at := asm.load(nrOffset)
		next = asm.jump(unix.BPF_JEQ, a.audit, at, next)
	}
	asm.load(archOffset)
	if len(asm.rev) > maxInstructions {
		return nil, fmt.Errorf("%w: %d instructions, at most %d", ErrTooLarge, len(asm.rev), maxInstructions)
	}
	return asm.program(), nil
}

// encode writes in the byte order of the machine that the program is for.
func encode(filter []unix.SockFilter, m machine) []byte {
	var order binary.AppendByteOrder = binary.LittleEndian
	if m.native.big {
		order = binary.BigEndian
	}
	b := make([]byte, 0, 8*len(filter))
	for _, i := range filter {
		b = order.AppendUint16(b, i.Code)
		b = append(b, i.Jt, i.Jf)
		b = order.AppendUint32(b, i.K)
	}
	return b
}
