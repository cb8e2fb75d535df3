// SPDX-License-Identifier: Apache-2.0

package scan

import "unicode/utf8"

// AppendString appends a string as JSON, in the form that a Scanner takes. Bytes that are not UTF-8 become U+FFFD, as with encoding/json.
func AppendString(b []byte, text string) []byte {
	b = append(b, '"')
	for _, r := range text { // U+FFFD for a byte that belongs to none
		switch {
		case r == '"', r == '\\':
			b = append(b, '\\', byte(r))
		case r < ' ':
			b = append(b, '\\', 'u', '0', '0', hex[r>>4], hex[r&15])
		default:
			b = utf8.AppendRune(b, r)
		}
	}
	return append(b, '"')
}

const hex = "0123456789abcdef"
