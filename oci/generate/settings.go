// SPDX-License-Identifier: Apache-2.0

package generate

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// A Setting is one change of a config.json.
type Setting struct {
	Names []string // the first one is the setting's own
	Usage string
	Flag  bool // it needs no value; "false" takes it back
	apply func(s *specs.Spec, value string) error
}

// Given is a setting with its value.
type Given struct{ Name, Value string }

// Settings is the table, in the order of the help.
func Settings() []Setting {
	return slices.Concat(processSettings(), securitySettings(), rootSettings(), linuxSettings(), limitSettings(), hookSettings())
}

// ErrUnknown: there is no setting of that name.
var ErrUnknown = errors.New("unknown setting")

// Apply applies settings in their order.
func Apply(s *specs.Spec, given []Given) error {
	all := Settings()
	complete(s)
	args := false
	for _, g := range given {
		i := slices.IndexFunc(all, func(t Setting) bool { return slices.Contains(t.Names, g.Name) })
		if i < 0 {
			return fmt.Errorf("%s: %w", g.Name, ErrUnknown)
		}
		if all[i].Names[0] == "args" && !args { // the first one replaces the default
			s.Process.Args, args = nil, true
		}
		if err := all[i].apply(s, g.Value); err != nil {
			return fmt.Errorf("--%s %q: %w", g.Name, g.Value, err)
		}
	}
	prune(s)
	return nil
}

// complete makes the objects that settings write to.
func complete(s *specs.Spec) {
	if s.Process == nil {
		s.Process = &specs.Process{Cwd: "/"}
	}
	if s.Process.Capabilities == nil {
		s.Process.Capabilities = &specs.LinuxCapabilities{}
	}
	if s.Root == nil {
		s.Root = &specs.Root{Path: "rootfs"}
	}
	if s.Linux == nil {
		s.Linux = &specs.Linux{}
	}
	r := s.Linux.Resources
	if r == nil {
		r = &specs.LinuxResources{}
		s.Linux.Resources = r
	}
	if r.Memory == nil {
		r.Memory = &specs.LinuxMemory{}
	}
	if r.CPU == nil {
		r.CPU = &specs.LinuxCPU{}
	}
	if r.BlockIO == nil {
		r.BlockIO = &specs.LinuxBlockIO{}
	}
}

// prune removes those of them that nothing was written to.
func prune(s *specs.Spec) {
	r := s.Linux.Resources
	if *r.Memory == (specs.LinuxMemory{}) {
		r.Memory = nil
	}
	if *r.CPU == (specs.LinuxCPU{}) {
		r.CPU = nil
	}
	if r.BlockIO.Weight == nil && r.BlockIO.LeafWeight == nil {
		r.BlockIO = nil
	}
	empty := r.Memory == nil && r.CPU == nil && r.BlockIO == nil && r.Pids == nil && r.Network == nil
	if empty && len(r.Devices)+len(r.HugepageLimits)+len(r.Rdma)+len(r.Unified) == 0 {
		s.Linux.Resources = nil
	}
}

// text is a setting that writes a string.
func text(usage string, field func(s *specs.Spec) *string, names ...string) Setting {
	return Setting{Names: names, Usage: usage, apply: func(s *specs.Spec, v string) error {
		*field(s) = v
		return nil
	}}
}

// flag is a setting that writes a boolean.
func flag(usage string, field func(s *specs.Spec) *bool, names ...string) Setting {
	return Setting{Names: names, Usage: usage, Flag: true, apply: func(s *specs.Spec, v string) (err error) {
		*field(s), err = strconv.ParseBool(v)
		return err
	}}
}

// list is a setting that adds to a list; "none" empties it.
func list(usage string, field func(s *specs.Spec) *[]string, names ...string) Setting {
	return Setting{Names: names, Usage: usage + " (may be given several times; \"none\" for no more of the default's)", apply: func(s *specs.Spec, v string) error {
		f := field(s)
		switch {
		case v == "none":
			*f = nil
		case !slices.Contains(*f, v):
			*f = append(*f, v)
		}
		return nil
	}}
}

// number is a setting that writes an integer.
func number[T int | int64 | uint16 | uint32 | uint64](usage string, field func(s *specs.Spec) *T, names ...string) Setting {
	return Setting{Names: names, Usage: usage, apply: func(s *specs.Spec, v string) (err error) {
		*field(s), err = parse[T](v)
		return err
	}}
}

// parse reads an integer of a type.
func parse[T int | int64 | uint16 | uint32 | uint64](v string) (T, error) {
	var zero T
	var n T
	var err error
	if zero-1 < 0 {
		var i int64
		i, err = strconv.ParseInt(v, 0, 64)
		n = T(i)
		if err == nil && int64(n) != i {
			err = strconv.ErrRange
		}
	} else {
		var u uint64
		u, err = strconv.ParseUint(v, 0, 64)
		n = T(u)
		if err == nil && uint64(n) != u {
			err = strconv.ErrRange
		}
	}
	if err != nil {
		return 0, errors.New("not a number, or one that does not fit")
	}
	return n, nil
}

// assignment cuts "key=value".
func assignment(v string) (key, value string, err error) {
	key, value, ok := strings.Cut(v, "=")
	if !ok || key == "" {
		return "", "", errors.New("want NAME=VALUE")
	}
	return key, value, nil
}

// pointer makes the field that p points to not nil.
func pointer[T any](p **T) *T {
	if *p == nil {
		*p = new(T)
	}
	return *p
}
