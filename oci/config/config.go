// SPDX-License-Identifier: Apache-2.0

package config

import (
	"encoding/json"
	"errors"
	"unsafe"

	"crisp/oci/config/scan"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// A Config is a config.json.
type Config struct {
	Raw  []byte      // as it was read; Spec has parts of it
	Spec *specs.Spec // nil for "null"
	// Seccomp is the text of linux.seccomp where Spec.Linux.Seccomp was left out. It may turn out not to be JSON.
	Seccomp []byte
}

// Parse reads a config.json. The text must not change from here on.
func Parse(raw []byte) (*Config, error) {
	if c := parse(raw); c != nil {
		return c, nil
	}
	return parseSlowly(raw)
}

// parse is the fast way; nil when it does not take the text.
func parse(raw []byte) *Config {
	s := scan.New(text(raw))
	if s.Null() {
		return nil
	}
	c := &Config{Raw: raw, Spec: &specs.Spec{}}
	decodeSpec(s, c.Spec)
	if !s.End() {
		return nil
	}
	if s.Aside != "" {
		c.Seccomp = unsafe.Slice(unsafe.StringData(s.Aside), len(s.Aside)) // of raw
	}
	return c
}

// parseSlowly is encoding/json.
func parseSlowly(raw []byte) (*Config, error) {
	c := &Config{Raw: raw}
	if err := json.Unmarshal(raw, &c.Spec); err != nil {
		return nil, err
	}
	return c, nil
}

// text is a string of the same memory.
func text(raw []byte) string { return unsafe.String(unsafe.SliceData(raw), len(raw)) }

// ParseSeccomp reads the profile, whose text is c.Seccomp. What it says is wrong is what would be said if nothing had been left out.
func (c *Config) ParseSeccomp(raw []byte) (*specs.LinuxSeccomp, error) {
	if p := parseSeccomp(raw); p != nil {
		return p, nil
	}
	slow, err := parseSlowly(c.Raw)
	if err != nil {
		return nil, err
	}
	if slow.Spec == nil || slow.Spec.Linux == nil || slow.Spec.Linux.Seccomp == nil {
		return nil, errors.New("linux.seccomp: none") // but for a fault of ours
	}
	return slow.Spec.Linux.Seccomp, nil
}

func parseSeccomp(raw []byte) *specs.LinuxSeccomp {
	s := scan.New(text(raw))
	if s.Null() {
		return nil
	}
	p := &specs.LinuxSeccomp{}
	decodeLinuxSeccomp(s, p)
	if !s.End() {
		return nil
	}
	return p
}

// ParseProcess reads a process.json; nil for "null".
func ParseProcess(raw []byte) (*specs.Process, error) {
	s := scan.New(text(raw))
	p := &specs.Process{}
	if !s.Null() {
		decodeProcess(s, p)
		if s.End() {
			return p, nil
		}
	}
	p = nil
	err := json.Unmarshal(raw, &p)
	return p, err
}
