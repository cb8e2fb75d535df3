// SPDX-License-Identifier: Apache-2.0

package image

import (
	"errors"
	"fmt"

	"crisp/image/layer"
	"crisp/image/manifest"
	"crisp/image/policy"
	"crisp/image/registries"
	"crisp/image/registry"
	"crisp/image/stack"
)

// Errors of looking up and removing.
var (
	// ErrNotFound: no image of that name or ID is on the node, or the registry has none.
	ErrNotFound = errors.New("image not found")
	// ErrInvalidReference: the text is not an image reference.
	ErrInvalidReference = errors.New("invalid image reference")
)

// Errors of pulling.
var (
	// ErrUnauthorized: the registry refuses the credentials, or asks for some.
	ErrUnauthorized = errors.New("registry refused authorization")
	// ErrUnavailable: no host of the registry could be reached, or all answered with server errors.
	// The CRI server puts "RegistryUnavailable" in front of it.
	ErrUnavailable = errors.New("registry unavailable")
	// ErrSignature: the signature policy does not let the image be used.
	// The CRI server puts "SignatureValidationFailed" in front of it.
	ErrSignature = errors.New("image is rejected by the signature policy")
	// ErrBlocked: the node's configuration forbids the registry.
	ErrBlocked = errors.New("registry is blocked")
	// ErrNoPlatform: the index has no manifest for the node's platform.
	ErrNoPlatform = errors.New("no image for this platform")
	// ErrDigest: content does not have the digest or the size that its descriptor promises.
	ErrDigest = errors.New("content does not match its digest")
	// ErrUnsupported: the manifest, config or a layer is of a kind that crisp cannot run.
	ErrUnsupported = errors.New("unsupported image")
	// ErrLimit: a manifest, config or layer is larger than the store accepts.
	ErrLimit = errors.New("image exceeds a limit")
)

// Errors of mounting.
var (
	// ErrSubPath: the sub path of an image volume does not exist in the image.
	ErrSubPath = errors.New("no such path in the image")
	// ErrUser: the image's USER is not a name or a number that can be a user ID.
	ErrUser = errors.New("invalid image user")
)

// translate gives an error of the packages below the kind that this package's callers know.
func translate(err error) error {
	for _, t := range []struct{ from, to error }{
		{policy.ErrRejected, ErrSignature},
		{registries.ErrBlocked, ErrBlocked},
		{registry.ErrUnauthorized, ErrUnauthorized},
		{registry.ErrNotFound, ErrNotFound},
		{registry.ErrUnavailable, ErrUnavailable},
		{registry.ErrDigest, ErrDigest},
		{registry.ErrLimit, ErrLimit},
		{layer.ErrDigest, ErrDigest},
		{layer.ErrLimit, ErrLimit},
		{layer.ErrFormat, ErrUnsupported},
		{manifest.ErrNoPlatform, ErrNoPlatform},
		{manifest.ErrUnsupported, ErrUnsupported},
		{manifest.ErrMalformed, ErrUnsupported},
		{stack.ErrLink, ErrUnsupported},
	} {
		if errors.Is(err, t.from) {
			return &pullError{kind: t.to, err: err}
		}
	}
	return err
}

// pullError adds a kind to an error without repeating it in the text.
type pullError struct{ kind, err error }

func (e *pullError) Error() string        { return fmt.Sprint(e.err) }
func (e *pullError) Unwrap() error        { return e.err }
func (e *pullError) Is(target error) bool { return target == e.kind }
