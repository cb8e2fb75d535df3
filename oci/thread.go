// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// onOwnThread runs f in a thread that ends with it, whatever f has made of that: another user, another namespace. It is never the
// program's first thread, which does not end before the program and is what /proc/self shows.
func onOwnThread(f func() error) error {
	result := make(chan error)
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() {
			defer runtime.UnlockOSThread()
			result <- onOwnThread(f) // in another, while this one is taken
			return
		}
		result <- f() // never unlocked
	}()
	return <-result
}
