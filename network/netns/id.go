// SPDX-License-Identifier: Apache-2.0

package netns

import "fmt"

// An ID names files and, by its first 11 digits, interfaces (which have at most 15 bytes).
const (
	minID = 11
	maxID = 64
)

// CheckID refuses what is not 11 to 64 lower-case hex digits. The IDs that crisp makes have 64.
func CheckID(id string) error {
	if len(id) < minID || len(id) > maxID {
		return fmt.Errorf("ID %.80q: %w: %d to %d hex digits are wanted", id, ErrInvalidID, minID, maxID)
	}
	for _, c := range []byte(id) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return fmt.Errorf("ID %q: %w: %d to %d hex digits are wanted", id, ErrInvalidID, minID, maxID)
		}
	}
	return nil
}
