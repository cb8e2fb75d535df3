// SPDX-License-Identifier: Apache-2.0

package seccomp

import (
	"sync"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// A Compiler compiles profiles for this machine and keeps the programs, by the whole content of their profile.
// It is safe for concurrent use.
type Compiler struct {
	mu       sync.Mutex // guards programs and key
	programs map[string]Program
	key      []byte // scratch
}

// maxPrograms bounds a compiler's memory, at 12 KiB or so each. A node has a handful of profiles.
const maxPrograms = 64

// NewCompiler returns a compiler.
func NewCompiler() *Compiler { return &Compiler{programs: map[string]Program{}} }

// Compile returns the program of the profile. A nil profile has none: the error is ErrNoProfile.
func (c *Compiler) Compile(profile *specs.LinuxSeccomp) (Program, error) {
	if profile == nil {
		return Program{}, ErrNoProfile
	}
	c.mu.Lock()
	c.key = appendKey(c.key[:0], profile)
	p, ok := c.programs[string(c.key)]
	c.mu.Unlock()
	if ok {
		return p, nil
	}
	p, err := Compile(profile)
	if err != nil {
		return Program{}, err
	}
	key := appendKey(nil, profile)
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.programs) >= maxPrograms {
		clear(c.programs)
	}
	c.programs[string(key)] = p
	return p, nil
}
