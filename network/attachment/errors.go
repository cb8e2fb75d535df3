// SPDX-License-Identifier: Apache-2.0

package attachment

import "errors"

// ErrNotAttached: there is no attachment of the pod, or a part of it is gone.
var ErrNotAttached = errors.New("not attached")
