// SPDX-License-Identifier: Apache-2.0

package operation

import "errors"

// Errors of naming a container. The words of this file are runc's: engines look for them in what the command line prints.
var (
	ErrEmptyID   = errors.New("container id cannot be empty")
	ErrInvalidID = errors.New("invalid container ID format")
	ErrNotExist  = errors.New("container does not exist")
	ErrExist     = errors.New("container with given ID already exists")
)

// Errors of calls on a container in the wrong state.
var (
	ErrNotRunning     = errors.New("container not running")
	ErrRunning        = errors.New("container still running")
	ErrPaused         = errors.New("container paused")
	ErrNotPaused      = errors.New("container not paused")
	ErrStartStopped   = errors.New("cannot start a container that has stopped")
	ErrStartRunning   = errors.New("cannot start an already running container")
	ErrExecStopped    = errors.New("cannot exec in a stopped container")
	ErrExecPaused     = errors.New("cannot exec in a paused container (use --ignore-paused to override)")
	ErrBusy           = errors.New("another command holds the container")
	ErrSignalFinished = errors.New("process already finished") // what os.Process says, and so runc
)

// Errors of the arguments of Create, Run and Exec.
var (
	ErrNoConsoleSocket  = errors.New("cannot allocate tty if runc will detach without setting console socket")
	ErrOddConsoleSocket = errors.New("cannot use console socket if runc will not detach or allocate tty")
	ErrNoProcess        = errors.New("process property must not be empty")
	ErrNoArgs           = errors.New("args must not be empty")
)
