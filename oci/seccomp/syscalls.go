// SPDX-License-Identifier: Apache-2.0

package seccomp

import "sort"

// A syscall is one row of the table.
type syscall struct {
	name string
	nr   [columns]int32 // by architecture; -1: it has none there
	// socketCall and ipcCall are the first arguments by which socketcall(2) or ipc(2) reaches the call; 0: neither.
	socketCall, ipcCall uint8
}

// lookup returns the syscall of this name; nil when no architecture has one.
func lookup(name string) *syscall {
	i := sort.Search(len(syscalls), func(i int) bool { return syscalls[i].name >= name })
	if i == len(syscalls) || syscalls[i].name != name {
		return nil
	}
	return &syscalls[i]
}

// number returns the ABI's number of the call.
func (a abi) number(s *syscall) (nr uint32, ok bool) {
	return uint32(s.nr[a.column]), s.nr[a.column] >= 0
}

// A multiplexer is a call that leads to many by its first argument.
type multiplexer struct{ socketcall, ipc *syscall }

func newMultiplexer() multiplexer {
	return multiplexer{socketcall: lookup("socketcall"), ipc: lookup("ipc")}
}

// way returns the multiplexer's number on the ABI and the argument by which it leads to the call.
func (m multiplexer) way(a abi, s *syscall) (nr uint32, call uint8, ok bool) {
	switch {
	case s.socketCall != 0:
		nr, ok = a.number(m.socketcall)
		return nr, s.socketCall, ok
	case s.ipcCall != 0:
		nr, ok = a.number(m.ipc)
		return nr, s.ipcCall, ok
	}
	return 0, 0, false
}
