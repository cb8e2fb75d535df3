// SPDX-License-Identifier: Apache-2.0

package seccomp

import (
	"fmt"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// flagTsync is in the runtime-spec without a constant in its Go package.
const flagTsync specs.LinuxSeccompFlag = "SECCOMP_FILTER_FLAG_TSYNC"

// newFlags translates the profile's flags. Without a list the default is SPEC_ALLOW, as runc has it: the mitigation that
// the kernel otherwise ties to seccomp costs much, and CPUs and programs have better ones.
func newFlags(flags []specs.LinuxSeccompFlag, notify bool) (uint64, error) {
	if flags == nil {
		flags = []specs.LinuxSeccompFlag{specs.LinuxSeccompFlagSpecAllow}
	}
	var bits uint64
	if notify {
		bits = unix.SECCOMP_FILTER_FLAG_NEW_LISTENER
	}
	for _, f := range flags {
		switch f {
		case flagTsync:
			bits |= unix.SECCOMP_FILTER_FLAG_TSYNC
			if notify { // the two together need this to tell a thread's ID from a listener's fd
				bits |= unix.SECCOMP_FILTER_FLAG_TSYNC_ESRCH
			}
		case specs.LinuxSeccompFlagLog:
			bits |= unix.SECCOMP_FILTER_FLAG_LOG
		case specs.LinuxSeccompFlagSpecAllow:
			bits |= unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW
		case specs.LinuxSeccompFlagWaitKillableRecv:
			if notify { // EINVAL without a listener
				bits |= unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
			}
		default:
			return 0, fmt.Errorf("%w: flag %q", ErrInvalid, f)
		}
	}
	return bits, nil
}
