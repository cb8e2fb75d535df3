// SPDX-License-Identifier: Apache-2.0

package record

import "errors"

// What can be wrong with a file.
var (
	// ErrEmpty: the file is missing or has no content: it was never synced, and the power was cut.
	ErrEmpty = errors.New("no record")
	// ErrNewer: a newer crisp wrote it.
	ErrNewer = errors.New("record of a newer version")
	// ErrCorrupt: it is not what this package writes.
	ErrCorrupt = errors.New("corrupt record")
)
