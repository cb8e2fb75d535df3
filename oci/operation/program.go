// SPDX-License-Identifier: Apache-2.0

package operation

import (
	"errors"
	"fmt"
	"strings"

	"crisp/conmon"
	"crisp/conmon/plan"
	"crisp/oci/cgroup"
	"crisp/oci/hook"

	"golang.org/x/sys/unix"
)

// programError gives a failure to make a process the words that runc has for it: engines tell 126 and 127 from others by them.
func programError(err error, name string) error {
	var h *hook.Error
	if errors.As(err, &h) {
		return fmt.Errorf("error running %s hook #%d: %w", h.Kind, h.Index, err)
	}
	if errors.Is(err, cgroup.ErrBusy) {
		return fmt.Errorf("container's cgroup is not empty: %w", err)
	}
	if errors.Is(err, cgroup.ErrFrozen) {
		return fmt.Errorf("container's cgroup unexpectedly frozen: %w", err)
	}
	var s *conmon.StepError
	if !errors.As(err, &s) || s.Index < 0 || s.Note != "exec "+name {
		return err
	}
	return fmt.Errorf("unable to start container process: %w", executeError(name, s))
}

// executeError says why a program could not be executed.
func executeError(name string, s *conmon.StepError) error {
	switch {
	case s.Errno == unix.ENOENT && !strings.Contains(name, "/"):
		return fmt.Errorf("exec: %q: executable file not found in $PATH", name)
	case s.Op == plan.OpExec:
		return fmt.Errorf("exec %s: %w", name, s.Errno)
	}
	return fmt.Errorf("exec: %q: stat %s: %w", name, name, s.Errno)
}
