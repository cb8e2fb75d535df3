// SPDX-License-Identifier: Apache-2.0

package operation

import (
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// maxSignal is the highest signal, SIGRTMAX.
const maxSignal = 64

// ParseSignal reads a signal: its number, or its name with "SIG" or without, in any case. "" is SIGTERM.
func ParseSignal(s string) (unix.Signal, error) {
	if s == "" {
		return unix.SIGTERM, nil
	}
	if n, err := strconv.Atoi(s); err == nil {
		if n < 0 || n > maxSignal {
			return 0, fmt.Errorf("unknown signal %q", s)
		}
		return unix.Signal(n), nil
	}
	name := strings.ToUpper(s)
	if !strings.HasPrefix(name, "SIG") {
		name = "SIG" + name
	}
	if n := unix.SignalNum(name); n != 0 {
		return n, nil
	}
	if n, ok := realtimeSignal(name); ok {
		return n, nil
	}
	return 0, fmt.Errorf("unknown signal %q", s)
}

// realtimeSignal reads "SIGRTMIN+3" and "SIGRTMAX-14": systemd in a container is stopped by the former (systemd(1)). 34 is the
// first that the C library leaves to programs.
func realtimeSignal(name string) (unix.Signal, bool) {
	base, n := 34, 0
	rest, ok := strings.CutPrefix(name, "SIGRTMIN")
	if !ok {
		if rest, ok = strings.CutPrefix(name, "SIGRTMAX"); !ok {
			return 0, false
		}
		base = maxSignal
	}
	if rest != "" {
		var err error
		if n, err = strconv.Atoi(rest); err != nil || (rest[0] != '+' && rest[0] != '-') {
			return 0, false
		}
	}
	if n += base; n < 34 || n > maxSignal {
		return 0, false
	}
	return unix.Signal(n), true
}
