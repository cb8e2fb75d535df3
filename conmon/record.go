// SPDX-License-Identifier: Apache-2.0

package conmon

import "errors"

// ReadExit reads the exit record in the exit directory of a container; ErrNoExit when there is none.
func ReadExit(dir string) (Exit, error) { return Exit{}, errors.ErrUnsupported }
