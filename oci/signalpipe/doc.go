// SPDX-License-Identifier: Apache-2.0

// Package signalpipe catches every signal of the process and gives them, in their order, as bytes of a pipe: to one thread that waits for
// signals and for children alike.
//
// # Why not os/signal
//
// signal.Notify for all signals hands each of the sixty to a thread of its own and waits until that has unmasked it, and signal.Stop
// does the same: 1.8 of the 8 ms that `crisp-oci run` took. The handler here is five instructions that write the number of the signal to a
// pipe, and is put into the kernel's table directly. It looks at nothing of Go's. What it needs, a signal stack for each thread, the
// Go runtime has made (os/signal, "Go programs that use cgo or SWIG"); flags, mask and restorer are taken over from the runtime's handler.
//
// # Terms
//
//   - A fault is a signal by which the processor reports what the program itself did (SIGSEGV and its like). One that was sent by
//     somebody (kill(2)) is caught; one that is a fault goes to the Go runtime, which makes a panic of it.
//   - SIGURG stays with the Go runtime, which preempts goroutines by it. SIGKILL and SIGSTOP cannot be caught.
//
// # Life cycle
//
//	Catch ──▶ signals are caught ── Read … Read ──▶ the end of the process
//
// There is no way back: what catches all signals does so for the rest of its life.
//
// # Worked example
//
//	p, err := signalpipe.Catch()
//	for {
//		s, err := p.Read() // unix.SIGCHLD: some child has ended
//	}
package signalpipe
