// SPDX-License-Identifier: Apache-2.0

package seccomp

import (
	"fmt"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// A Listener is where the agent is to be found that answers notifications.
type Listener struct {
	Path     string // of a Unix socket; a relative one starts at the bundle
	Metadata string // for the agent; anything

	// ByWrite: the program does not let everybody send messages. The process that loads it writes that it has then, and its descriptor is taken
	// from it (pidfd_getfd(2), which wants the right to trace it).
	ByWrite bool
}

// listen says how the listener comes to the agent. Until the agent has it nobody answers for the container's process: it must get by
// without a notification.
func (p *policy) listen(profile *specs.LinuxSeccomp) error {
	if profile.ListenerPath == "" {
		return fmt.Errorf("%w: %s without a listenerPath", ErrInvalid, specs.ActNotify)
	}
	p.listener = &Listener{Path: profile.ListenerPath, Metadata: profile.ListenerMetadata}
	if p.plain("sendmsg") {
		return nil
	}
	p.listener.ByWrite = true
	if !p.plain("write") {
		return fmt.Errorf("%w: neither sendmsg nor write is allowed, by which the container's process would hand its listener over", ErrInvalid)
	}
	return nil
}

// plain says whether the native ABI's call of this name is allowed, whatever its arguments.
func (p *policy) plain(name string) bool {
	call, act, conditions := p.table.lookup(name), p.byDefault, false
	for _, r := range p.rules {
		if !slices.Contains(r.calls, call) {
			continue
		}
		if conditions = len(r.conditions) > 0; !conditions {
			act = r.action
			break // it beats the others
		}
	}
	return !conditions && (act == unix.SECCOMP_RET_ALLOW || act == unix.SECCOMP_RET_LOG)
}
