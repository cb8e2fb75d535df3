// SPDX-License-Identifier: Apache-2.0

package spec

import "github.com/opencontainers/runtime-spec/specs-go"

// Pod returns the config.json of a sandbox's pause container.
func Pod(in PodInput) (*specs.Spec, error) { return nil, ErrUnsupported }
