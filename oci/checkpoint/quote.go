// SPDX-License-Identifier: Apache-2.0

package checkpoint

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// before is how many lines before an error are quoted, and most how many lines in all.
const (
	before = 5
	most   = 200
)

// quote logs what criu's log says of errors, with the lines before each.
func (c *Container) quote(work *os.File, name string) {
	if c.Log == nil {
		return
	}
	fd, err := unix.Openat(int(work.Fd()), name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return // it did not come that far
	}
	f := os.NewFile(uintptr(fd), name)
	defer f.Close()
	lines := errorLines(f)
	if len(lines) == 0 {
		return
	}
	c.Log.Warn(fmt.Sprintf("--- Quoting %q", filepath.Join(work.Name(), name)))
	for _, l := range lines {
		c.Log.Warn(l)
	}
	c.Log.Warn("---")
}

// errorLines picks the lines with "Error", numbered, and those before them.
func errorLines(r io.Reader) []string {
	var out, recent []string
	in := bufio.NewScanner(r)
	for n := 1; in.Scan() && len(out) < most; n++ {
		recent = append(recent, fmt.Sprintf("%d:%s", n, in.Text()))
		if strings.Contains(in.Text(), "Error") {
			out, recent = append(out, recent...), nil
		} else if len(recent) > before {
			recent = recent[1:]
		}
	}
	return out
}
