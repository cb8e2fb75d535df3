// SPDX-License-Identifier: Apache-2.0

//go:build amd64 || arm64

package signalpipe

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// What the handlers read. Set before they are put in place.
var (
	//lint:ignore U1000 read in assembler
	handlerFD uintptr // what they write to
	//lint:ignore U1000 read in assembler
	runtimeHandler uintptr // where faults go
)

// The handlers, in assembler: for signals, and for those that may be faults.
func handler()
func faultHandler()

// address gives the address of a handler's code.
func address(f func()) uintptr { return **(**uintptr)(unsafe.Pointer(&f)) }

// Catch has signals come to a pipe from here on. It is called once.
func Catch() (*Pipe, error) {
	p, fd, err := open()
	if err != nil {
		return nil, err
	}
	handlerFD = uintptr(fd)
	var like action
	if err := sigaction(unix.SIGURG, nil, &like); err != nil { // the runtime's
		return nil, err
	}
	runtimeHandler = like.handler
	for s := unix.Signal(1); s <= lastSignal; s++ {
		if !catchable(s) {
			continue
		}
		a := like
		a.handler = address(handler)
		if fault(s) {
			a.handler = address(faultHandler)
		}
		if err := sigaction(s, &a, nil); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// sigaction is rt_sigaction(2).
func sigaction(s unix.Signal, set, old *action) error {
	const maskSize = 8
	_, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(s), uintptr(unsafe.Pointer(set)), uintptr(unsafe.Pointer(old)), maskSize, 0, 0)
	if errno != 0 {
		return os.NewSyscallError("rt_sigaction", errno)
	}
	return nil
}
