// SPDX-License-Identifier: Apache-2.0

// Package leaktest fails a package's tests that leave file descriptors or goroutines behind. (A mount left behind fails its test by
// itself: the test's directory cannot be removed.)
package leaktest

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// settle is how long what ends by itself (a closing connection, a deleting goroutine) may take.
const settle = 5 * time.Second

// Main is a TestMain's whole body:
//
//	func TestMain(m *testing.M) { os.Exit(leaktest.Main(m)) }
func Main(m *testing.M) int {
	before := take()
	code := m.Run()
	if code != 0 || fuzzing() {
		return code
	}
	var left []string
	for end := time.Now().Add(settle); ; time.Sleep(10 * time.Millisecond) {
		if left = take().since(before); len(left) == 0 {
			return 0
		}
		if time.Now().After(end) {
			break
		}
	}
	fmt.Fprintln(os.Stderr, "left behind:\n\t"+strings.Join(left, "\n\t"))
	return 1
}

// fuzzing: a fuzz worker's pipes belong to the test binary.
func fuzzing() bool {
	return slices.ContainsFunc(os.Args, func(a string) bool { return strings.HasPrefix(a, "-test.fuzz=") || a == "-test.fuzzworker" })
}

type snapshot struct {
	fds        []string
	goroutines int
}

func take() snapshot {
	s := snapshot{goroutines: runtime.NumGoroutine()}
	links, _ := filepath.Glob("/proc/self/fd/*")
	for _, l := range links {
		// epoll and eventfd are the runtime's own; the directory that Glob reads is gone again.
		if to, err := os.Readlink(l); err == nil && !strings.HasPrefix(to, "anon_inode:[event") {
			s.fds = append(s.fds, filepath.Base(l)+" "+to)
		}
	}
	return s
}

func (s snapshot) since(before snapshot) []string {
	var left []string
	for _, f := range s.fds {
		if !slices.Contains(before.fds, f) {
			left = append(left, "descriptor "+f)
		}
	}
	if s.goroutines > before.goroutines {
		stacks := make([]byte, 1<<20)
		left = append(left, string(stacks[:runtime.Stack(stacks, true)]))
	}
	return left
}
