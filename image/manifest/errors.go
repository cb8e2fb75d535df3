// SPDX-License-Identifier: Apache-2.0

package manifest

import "errors"

var (
	// ErrMalformed: the document makes no sense, or more than one.
	ErrMalformed = errors.New("malformed manifest")
	// ErrUnsupported: the document is fine, but not an image that can be run.
	ErrUnsupported = errors.New("unsupported image")
	// ErrNoPlatform: nothing in the index is for the platform.
	ErrNoPlatform = errors.New("no image for this platform")
)
