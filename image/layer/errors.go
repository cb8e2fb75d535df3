// SPDX-License-Identifier: Apache-2.0

package layer

import "errors"

var (
	// ErrDigest: the blob or its uncompressed content is not what its digest or size promises.
	ErrDigest = errors.New("layer does not match its digest")
	// ErrLimit: the layer exceeds one of the Limits.
	ErrLimit = errors.New("layer exceeds a limit")
	// ErrFormat: the layer is no tar archive, or has an entry that no layer may have.
	ErrFormat = errors.New("malformed layer")
)
