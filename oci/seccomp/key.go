// SPDX-License-Identifier: Apache-2.0

package seccomp

import (
	"encoding/binary"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// appendKey writes everything of the profile that the program depends on, so that two profiles with equal keys have equal
// programs. It takes the place of a hash: nothing can collide, and it costs a copy. Every list is preceded by its length, every
// string too.
func appendKey(b []byte, p *specs.LinuxSeccomp) []byte {
	b = appendString(b, p.DefaultAction)
	b = appendErrno(b, p.DefaultErrnoRet)
	b = binary.AppendUvarint(b, uint64(len(p.Architectures)))
	for _, a := range p.Architectures {
		b = appendString(b, a)
	}
	if p.Flags == nil { // not the same as none: flags.go
		b = append(b, 0)
	} else {
		b = binary.AppendUvarint(b, 1+uint64(len(p.Flags)))
	}
	for _, f := range p.Flags {
		b = appendString(b, f)
	}
	b = appendString(b, p.ListenerPath)
	b = appendString(b, p.ListenerMetadata)
	for i := range p.Syscalls {
		b = appendSyscall(b, &p.Syscalls[i])
	}
	return b
}

func appendSyscall(b []byte, s *specs.LinuxSyscall) []byte {
	b = appendString(b, s.Action)
	b = appendErrno(b, s.ErrnoRet)
	b = binary.AppendUvarint(b, uint64(len(s.Names)))
	for _, name := range s.Names {
		b = appendString(b, name)
	}
	b = binary.AppendUvarint(b, uint64(len(s.Args)))
	for _, a := range s.Args {
		b = binary.AppendUvarint(b, uint64(a.Index))
		b = binary.AppendUvarint(b, a.Value)
		b = binary.AppendUvarint(b, a.ValueTwo)
		b = appendString(b, a.Op)
	}
	return b
}

func appendString[S ~string](b []byte, s S) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

func appendErrno(b []byte, errnoRet *uint) []byte {
	if errnoRet == nil {
		return append(b, 0)
	}
	return binary.AppendUvarint(append(b, 1), uint64(*errnoRet))
}
