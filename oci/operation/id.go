// SPDX-License-Identifier: Apache-2.0

package operation

// ValidateID accepts the IDs that runc accepts: ASCII letters, digits and "_+-.", but not "." and "..", which are no file names.
func ValidateID(id string) error {
	if id == "" {
		return ErrEmptyID
	}
	if id == "." || id == ".." {
		return ErrInvalidID
	}
	for _, c := range []byte(id) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '_', c == '+', c == '-', c == '.':
		default:
			return ErrInvalidID
		}
	}
	return nil
}
