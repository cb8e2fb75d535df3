// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// Groups is the blob of a SETGROUPS step. It is not nil even for no groups.
func Groups(gids []uint32) []byte {
	b := make([]byte, 0, 4*len(gids))
	for _, g := range gids {
		b = binary.NativeEndian.AppendUint32(b, g)
	}
	return b
}

// Filter is the blob of a SECCOMP step.
func Filter(program []unix.SockFilter) []byte {
	b := make([]byte, 0, 8*len(program))
	for _, f := range program {
		b = binary.NativeEndian.AppendUint16(b, f.Code)
		b = append(b, f.Jt, f.Jf)
		b = binary.NativeEndian.AppendUint32(b, f.K)
	}
	return b
}
