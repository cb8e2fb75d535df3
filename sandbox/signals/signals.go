// SPDX-License-Identifier: Apache-2.0

// Package signals knows the names and numbers of signals in the CRI, in image configs and in the kernel.
package signals

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// ErrInvalid: there is no such signal.
var ErrInvalid = errors.New("no such signal")

// The kernel's real-time signals as the C libraries number them: 32 and 33 are theirs.
const (
	sigRTMin = unix.Signal(34)
	sigRTMax = unix.Signal(64)
)

// criSignals maps the CRI's numbers, which are alphabetical, to the kernel's. The enum's names changed between versions of the
// CRI, its numbers did not. The real-time ones follow by arithmetic.
var criSignals = map[runtime.Signal]unix.Signal{
	1: unix.SIGABRT, 2: unix.SIGALRM, 3: unix.SIGBUS, 4: unix.SIGCHLD, 5: unix.SIGCHLD, 6: unix.SIGCONT, 7: unix.SIGFPE, 8: unix.SIGHUP,
	9: unix.SIGILL, 10: unix.SIGINT, 11: unix.SIGIO, 12: unix.SIGABRT, 13: unix.SIGKILL, 14: unix.SIGPIPE, 15: unix.SIGIO,
	16: unix.SIGPROF, 17: unix.SIGPWR, 18: unix.SIGQUIT, 19: unix.SIGSEGV, 20: unix.SIGSTKFLT, 21: unix.SIGSTOP, 22: unix.SIGSYS,
	23: unix.SIGTERM, 24: unix.SIGTRAP, 25: unix.SIGTSTP, 26: unix.SIGTTIN, 27: unix.SIGTTOU, 28: unix.SIGURG, 29: unix.SIGUSR1,
	30: unix.SIGUSR2, 31: unix.SIGVTALRM, 32: unix.SIGWINCH, 33: unix.SIGXCPU, 34: unix.SIGXFSZ,
}

// criRTMin is SIGRTMIN in the CRI's numbers; SIGRTMAX is 30 further.
const criRTMin = 35

// Stop picks a container's stop signal: the CRI's, else the image's, else SIGTERM.
func Stop(asked runtime.Signal, image string) (unix.Signal, error) {
	if asked != runtime.Signal_SIGNAL_RUNTIME_DEFAULT {
		if s, ok := criSignals[asked]; ok {
			return s, nil
		}
		if n := unix.Signal(asked) - criRTMin + sigRTMin; n >= sigRTMin && n <= sigRTMax {
			return n, nil
		}
		return 0, fmt.Errorf("stop_signal %d: %w", asked, ErrInvalid)
	}
	if image == "" {
		return unix.SIGTERM, nil
	}
	return Parse(image)
}

// CRI is the way back, for ContainerStatus.stop_signal.
func CRI(s unix.Signal) runtime.Signal {
	if s >= sigRTMin && s <= sigRTMax {
		return runtime.Signal(s - sigRTMin + criRTMin)
	}
	best := runtime.Signal_SIGNAL_RUNTIME_DEFAULT
	for c, k := range criSignals { // SIGABRT, not SIGIOT: the lower number of two names is the usual one
		if k == s && (best == 0 || c < best) {
			best = c
		}
	}
	return best
}

// Parse reads an image's StopSignal: "15", "SIGTERM", "term", "SIGRTMIN+3", "RTMAX-2".
func Parse(text string) (unix.Signal, error) {
	invalid := fmt.Errorf("stop signal %q of the image: %w", text, ErrInvalid)
	if n, err := strconv.Atoi(text); err == nil {
		if n < 1 || n > int(sigRTMax) {
			return 0, invalid
		}
		return unix.Signal(n), nil
	}
	name := strings.TrimPrefix(strings.ToUpper(text), "SIG")
	for _, base := range []struct {
		name string
		sig  unix.Signal
	}{{"RTMIN", sigRTMin}, {"RTMAX", sigRTMax}} {
		if rest, ok := strings.CutPrefix(name, base.name); ok {
			n := 0
			if rest != "" {
				var err error
				if n, err = strconv.Atoi(rest); err != nil {
					return 0, invalid
				}
			}
			if s := base.sig + unix.Signal(n); s >= sigRTMin && s <= sigRTMax {
				return s, nil
			}
			return 0, invalid
		}
	}
	if s := unix.SignalNum("SIG" + name); s != 0 {
		return s, nil
	}
	return 0, invalid
}
