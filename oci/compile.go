// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"errors"

	"crisp/conmon/plan"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// CompileOptions is what Compile takes besides the spec.
type CompileOptions struct {
	ID     string
	Bundle string // the directory that a relative root.path starts at
}

// Compiled is a plan and the files that fill its registers.
type Compiled struct {
	Plan  *plan.Plan
	Files []FileRequest // for the registers 0, 1, …
}

// FileRequest says how to open the file of one register.
type FileRequest struct {
	Path string
	Note string // in words: "source of the mount /data"
}

// Compile turns a config.json into a plan. It is pure: it opens and asks nothing.
func Compile(spec *specs.Spec, o CompileOptions) (*Compiled, error) {
	return nil, errors.ErrUnsupported
}
