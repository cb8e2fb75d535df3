// SPDX-License-Identifier: Apache-2.0

package image

import "errors"

// ParseUser takes the user part of an image's USER ("1000", "1000:100", "www-data:www-data", "") apart.
func ParseUser(s string) (uid *int64, username string, err error) {
	return nil, "", errors.ErrUnsupported
}
