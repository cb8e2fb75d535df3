// SPDX-License-Identifier: Apache-2.0

package checkpoint

import "errors"

// Errors of the request.
var (
	ErrNoProgram = errors.New("criu is not installed: checkpoint and restore need it in $PATH")
	ErrOld       = errors.New("criu is too old")
	ErrFeature   = errors.New("criu is missing features")
	ErrNamespace = errors.New("namespace cannot be checkpointed")
)

// ErrImages: the directory of a checkpoint holds what criu does not write.
var ErrImages = errors.New("not the images of a checkpoint")
