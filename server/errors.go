// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"errors"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"crisp/image"
	"crisp/network"
	"crisp/sandbox"
	"crisp/server/stream"
)

// kinds says which gRPC code each of the domain's errors gets. The first that an error wraps counts, so what is special
// stands before what is general.
//
// The kubelet looks at few of them (k8s.io/cri-client and pkg/kubelet, v0.37): NotFound of a status or stop call means
// gone, DeadlineExceeded of ExecSync means a failed probe, Unimplemented means "never ask again". The prefixes, which become
// the reasons that users see, reach it only with code Unknown: for any other the client leaves gRPC's own words in front.
var kinds = []struct {
	err    error
	code   codes.Code
	prefix string
}{
	{err: sandbox.ErrImageVolume, code: codes.Unknown, prefix: "ImageVolumeMountFailed: "},

	{err: image.ErrSignature, code: codes.Unknown, prefix: "SignatureValidationFailed: "},
	{err: image.ErrUnavailable, code: codes.Unknown, prefix: "RegistryUnavailable: "},
	{err: image.ErrUnauthorized, code: codes.Unauthenticated},
	{err: image.ErrInvalidReference, code: codes.InvalidArgument},
	{err: image.ErrSubPath, code: codes.InvalidArgument},
	{err: image.ErrUser, code: codes.InvalidArgument},
	{err: image.ErrBlocked, code: codes.PermissionDenied},
	{err: image.ErrNoPlatform, code: codes.FailedPrecondition},
	{err: image.ErrUnsupported, code: codes.FailedPrecondition},
	{err: image.ErrDigest, code: codes.DataLoss},
	{err: image.ErrLimit, code: codes.ResourceExhausted},
	{err: image.ErrNotFound, code: codes.NotFound},

	{err: network.ErrNoAddress, code: codes.ResourceExhausted},
	{err: network.ErrPortInUse, code: codes.FailedPrecondition},
	{err: network.ErrNoNFTables, code: codes.FailedPrecondition},
	{err: network.ErrNotConfigured, code: codes.FailedPrecondition},

	{err: sandbox.ErrNotFound, code: codes.NotFound},
	{err: sandbox.ErrInvalid, code: codes.InvalidArgument},
	{err: sandbox.ErrPrivileged, code: codes.InvalidArgument},
	{err: sandbox.ErrNotRunning, code: codes.FailedPrecondition},
	{err: sandbox.ErrState, code: codes.FailedPrecondition},
	{err: sandbox.ErrUnsupported, code: codes.Unimplemented},
	{err: sandbox.ErrDeadline, code: codes.DeadlineExceeded},
	{err: sandbox.ErrClosed, code: codes.Unavailable},

	{err: stream.ErrTooMany, code: codes.ResourceExhausted},

	{err: errors.ErrUnsupported, code: codes.Unimplemented},
	{err: context.DeadlineExceeded, code: codes.DeadlineExceeded},
	{err: context.Canceled, code: codes.Canceled},
	{err: unix.ENOSPC, code: codes.ResourceExhausted},
	{err: unix.EDQUOT, code: codes.ResourceExhausted},
	{err: unix.EMFILE, code: codes.ResourceExhausted},
	{err: unix.ENFILE, code: codes.ResourceExhausted},
}

// withCode gives an error of the domain its gRPC code. Errors that have one keep it; what nobody named is Unknown, as
// with the other runtimes: the kubelet shows the text and tries again.
func withCode(err error) error {
	if err == nil {
		return nil
	}
	if coded := (interface{ GRPCStatus() *status.Status })(nil); errors.As(err, &coded) {
		return err
	}
	for _, k := range kinds {
		if errors.Is(err, k.err) {
			return status.Error(k.code, k.prefix+err.Error())
		}
	}
	return status.Error(codes.Unknown, err.Error())
}

// unlessGone makes an error nil that says that the object is not there: stopping and removing are idempotent.
func unlessGone(err error) error {
	if errors.Is(err, sandbox.ErrNotFound) || errors.Is(err, image.ErrNotFound) {
		return nil
	}
	return err
}
