// SPDX-License-Identifier: Apache-2.0

package netns

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// own is the namespace of the calling thread. /proc/self would be that of the main thread.
const own = "/proc/thread-self/ns/net"

// Open opens a namespace by its path and verifies that it is one. A missing file and a file that is
// something else (a pin whose mount is gone) are ErrNoNamespace.
func Open(path string) (*os.File, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("open %s: %w", path, ErrNoNamespace)
	}
	if err != nil {
		return nil, err
	}
	if err := check(f); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// check asks the kernel for the type of a namespace file, ioctl_nsfs(2).
func check(f *os.File) error {
	kind, err := unix.IoctlRetInt(int(f.Fd()), unix.NS_GET_NSTYPE)
	if err != nil || kind != unix.CLONE_NEWNET {
		return fmt.Errorf("open %s: %w: another kind of file", f.Name(), ErrNoNamespace)
	}
	return nil
}

// Enter runs f on a thread inside the namespace and waits for it. f must not start goroutines that it expects to be inside.
func Enter(ns *os.File, f func() error) error {
	return onThread(func() error {
		if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("enter network namespace %s: %w", ns.Name(), err)
		}
		return f()
	})
}

// onThread runs f on a locked thread, whose namespace f may change, and brings the thread back. The goroutine is
// a new one, so that a thread that cannot be brought back ends with it: a goroutine that ends while
// locked takes its thread along (runtime.LockOSThread).
func onThread(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		home, err := os.Open(own)
		if err != nil {
			runtime.UnlockOSThread()
			done <- err
			return
		}
		defer home.Close()
		err = f()
		if unix.Setns(int(home.Fd()), unix.CLONE_NEWNET) == nil {
			runtime.UnlockOSThread()
		}
		done <- err
	}()
	return <-done
}
