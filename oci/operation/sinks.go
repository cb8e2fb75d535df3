// SPDX-License-Identifier: Apache-2.0

package operation

import (
	"errors"
	"os"

	"crisp/conmon"
)

// sinks are the sockets that files of a new process go to. Either may be nil.
type sinks struct{ console, pidfd *sink }

func dialSinks(console, pidfd string) (sinks, error) {
	var s sinks
	var err error
	if console != "" {
		s.console, err = dialSink(console)
	}
	if pidfd != "" && err == nil {
		s.pidfd, err = dialSink(pidfd)
	}
	if err != nil {
		s.Close()
		return sinks{}, err
	}
	return s, nil
}

// send hands over what the process has.
func (s sinks) send(p conmon.Process) error {
	var errs []error
	if s.console != nil {
		if p.Console == nil {
			return os.ErrInvalid
		}
		errs = append(errs, s.console.send(p.Console, terminalName))
	}
	if s.pidfd != nil {
		errs = append(errs, s.pidfd.send(p.Pidfd, "pidfd"))
	}
	return errors.Join(errs...)
}

func (s sinks) Close() {
	s.console.Close()
	s.pidfd.Close()
}
