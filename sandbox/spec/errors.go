// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"errors"
	"fmt"
)

// ErrInvalid is wrapped by every error that the caller's config is to blame for.
var ErrInvalid = errors.New("invalid argument")

// ErrUnsupported is wrapped when the config asks for something that this node or this version of crisp cannot do.
var ErrUnsupported = errors.New("not supported")

func invalid(object, why string) error { return fmt.Errorf("%s: %w: %s", object, ErrInvalid, why) }
