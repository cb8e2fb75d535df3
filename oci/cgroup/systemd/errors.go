// SPDX-License-Identifier: Apache-2.0

package systemd

import (
	"errors"
	"fmt"
)

var (
	// ErrNotRunning: the host has no systemd to ask.
	ErrNotRunning = errors.New("systemd is not this host's init")
	// ErrOutside: a user's systemd could make the unit, but no process of ours could be in it.
	ErrOutside = errors.New("out of reach of the user's systemd")
	// ErrPath: a cgroupsPath is not of the form slice:prefix:name.
	ErrPath = errors.New("not a cgroupsPath of the form slice:prefix:name")
	// ErrProperty: an annotation sets a property that containers may not set, or to what it cannot be.
	ErrProperty = errors.New("not a property that a container may set")
	// ErrExists: another unit has the name.
	ErrExists = errors.New("unit exists already")
	// ErrJob: systemd did not do what it had accepted to do.
	ErrJob = errors.New("job failed")
)

// An Error says at which stage of what unit which call failed.
type Error struct {
	Stage string // "start", "set", "stop", "look at"
	Unit  string
	Call  string // "StartTransientUnit"; "connect"
	Err   error
}

func (e *Error) Error() string {
	return fmt.Sprintf("systemd: %s %s: %s: %v", e.Stage, e.Unit, e.Call, e.Err)
}

func (e *Error) Unwrap() error { return e.Err }
