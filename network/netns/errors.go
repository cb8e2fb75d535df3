// SPDX-License-Identifier: Apache-2.0

package netns

import "errors"

// What can be wrong with a request.
var (
	// ErrInvalidID: the ID cannot name files and interfaces.
	ErrInvalidID = errors.New("invalid ID")
	// ErrNoNamespace: there is no network namespace at the path.
	ErrNoNamespace = errors.New("no network namespace")
	// ErrPinned: the ID has a pin already, of another namespace.
	ErrPinned = errors.New("another namespace is pinned under the ID")
)
