// SPDX-License-Identifier: Apache-2.0

// Package daemon is what makes one process the daemon of its directories: the locks, the socket, and the word to
// systemd that it is ready.
//
//	Acquire(root, state)      nobody else has these directories
//	  … restore …             nobody can connect yet: a client waits or is refused, it never sees half a node
//	Listen(path)              the socket appears, already with its owner and mode
//	Notify(Ready)
//	  … serve …
//	Notify(Stopping)
//	listener.Close()          removes the socket
//	locks.Close()
//
// A lock is flock(2) on a file that stays: the kernel drops it when the process ends in whatever way, and a file that is
// removed could be locked by two.
package daemon
