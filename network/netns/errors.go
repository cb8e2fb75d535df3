// SPDX-License-Identifier: Apache-2.0

package netns

import "errors"

var (
	// ErrInvalidID: the ID cannot name a file.
	ErrInvalidID = errors.New("invalid ID")
	// ErrNoNamespace: the path is not a network namespace.
	ErrNoNamespace = errors.New("no network namespace")
)
