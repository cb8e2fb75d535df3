// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"errors"

	"crisp/image"
	"crisp/sandbox/job"
	"crisp/sandbox/signals"
	"crisp/sandbox/spec"
)

// What a caller asked for cannot be had. The server maps these to gRPC codes; every error that carries none of them is
// an internal one.
var (
	// ErrNotFound: no pod or container has the ID, or more than one has the given prefix (NotFound).
	ErrNotFound = errors.New("not found")
	// ErrInvalid: the request contradicts itself or the CRI (InvalidArgument).
	ErrInvalid = errors.New("invalid argument")
	// ErrState: the object is not in the state that the call needs (FailedPrecondition).
	ErrState = errors.New("wrong state")
	// ErrNotRunning: the container does not run. It is an ErrState too (FailedPrecondition).
	ErrNotRunning = errors.New("not running")
	// ErrPrivileged: a privileged container was asked for in a pod that is not privileged (InvalidArgument).
	ErrPrivileged = errors.New("no privileged container allowed in sandbox")
	// ErrImageVolume: an image volume cannot be mounted. The kubelet wants the error to begin with "ImageVolumeMountFailed".
	ErrImageVolume = errors.New("image volume")
	// ErrUnsupported: crisp does not have what was asked for yet (Unimplemented).
	ErrUnsupported = errors.New("not supported")
	// ErrDeadline: the time given for a command, or for a stage of an operation, is over (DeadlineExceeded).
	ErrDeadline = errors.New("deadline exceeded")
	// ErrClosed: the daemon is going down (Unavailable).
	ErrClosed = errors.New("runtime is shutting down")
)

// jobError puts the package's own errors beside those of the packages below it, so that the server knows one set.
func jobError(err error) error {
	for _, t := range []struct{ theirs, ours error }{
		{spec.ErrInvalid, ErrInvalid}, {signals.ErrInvalid, ErrInvalid}, {spec.ErrUnsupported, ErrUnsupported}, {image.ErrNotFound, ErrNotFound},
		{job.ErrClosed, ErrClosed}, {job.ErrOverdue, ErrDeadline},
	} {
		if errors.Is(err, t.theirs) && !errors.Is(err, t.ours) {
			return kinded{err, t.ours}
		}
	}
	return err
}

// kinded is an error that is of one more kind than its text says.
type kinded struct{ err, kind error }

func (k kinded) Error() string   { return k.err.Error() }
func (k kinded) Unwrap() []error { return []error{k.err, k.kind} }
