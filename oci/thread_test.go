// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"errors"
	"os"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

func TestOwnThreadIsNeverTheFirst(t *testing.T) {
	var group sync.WaitGroup
	for range 64 {
		group.Go(func() {
			err := onOwnThread(func() error {
				if unix.Gettid() == unix.Getpid() {
					t.Error("ran in the first thread")
				}
				return os.ErrClosed
			})
			if !errors.Is(err, os.ErrClosed) {
				t.Errorf("error %v", err)
			}
		})
	}
	group.Wait()
}
