// SPDX-License-Identifier: Apache-2.0

package image

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode"
)

// maxUser bounds a user name: useradd takes 32 bytes, directory services more.
const maxUser = 256

// ParseUser takes the user part of an image's USER ("1000", "1000:100", "www-data:www-data", "") apart. A number above 2^31-1 is
// an error: kernels and libraries differ on whether it is negative, and CVE-2024-40635 made it root.
func ParseUser(s string) (uid *int64, username string, err error) {
	s, _, _ = strings.Cut(s, ":")
	if s == "" {
		return nil, "", nil
	}
	if strings.Trim(s, "0123456789") == "" {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil || n > math.MaxInt32 {
			return nil, "", fmt.Errorf("%w: %.40q is larger than %d", ErrUser, s, math.MaxInt32)
		}
		return &n, "", nil
	}
	// A sign would make it a number for one reader and a name for another.
	if len(s) > maxUser || s[0] == '-' || s[0] == '+' || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsGraphic(r) || unicode.IsSpace(r) || r == '/' }) {
		return nil, "", fmt.Errorf("%w: %.40q", ErrUser, s)
	}
	return nil, s, nil
}
