// SPDX-License-Identifier: Apache-2.0

package plan

import "errors"

// Errors of Encode and Decode, each wrapped with the step or field at fault.
var (
	// ErrLimit says that something is larger than protocol.h allows.
	ErrLimit = errors.New("over the limit")
	// ErrShape says that a step lacks a field, or has one that its operation does not take.
	ErrShape = errors.New("wrong shape")
	// ErrMalformed says that encoded bytes are not a plan.
	ErrMalformed = errors.New("malformed plan")
)
