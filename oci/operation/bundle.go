// SPDX-License-Identifier: Apache-2.0

package operation

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// ConfigName is the specification's file in a bundle.
const ConfigName = "config.json"

// maxConfig bounds what is read as JSON.
const maxConfig = 16 << 20

// maxResources bounds limits.
const maxResources = 1 << 20

// LoadSpec reads the config.json of a bundle.
func LoadSpec(bundle string) (*specs.Spec, error) {
	var spec *specs.Spec
	if err := readJSON(filepath.Join(bundle, ConfigName), &spec); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("JSON specification file %s not found", ConfigName)
		}
		return nil, err
	}
	if spec == nil {
		return nil, errors.New("config cannot be null")
	}
	return spec, checkProcess(spec.Process)
}

// checkProcess refuses what runc refuses with these words; oci.Validate says all else.
func checkProcess(p *specs.Process) error {
	switch {
	case p == nil:
		return ErrNoProcess
	case p.Cwd == "":
		//lint:ignore ST1005 runc's words, which engines look for
		return errors.New("Cwd property must not be empty")
	case !filepath.IsAbs(p.Cwd):
		//lint:ignore ST1005 runc's words, which engines look for
		return errors.New("Cwd must be an absolute path")
	case len(p.Args) == 0:
		return ErrNoArgs
	}
	return nil
}

// readJSON reads a file of one JSON value. A FIFO that nobody writes to is empty, and not waited for.
func readJSON(path string, v any) error {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	return decodeJSON(f, path, maxConfig, v)
}

// decodeJSON reads one JSON value of at most so many bytes.
func decodeJSON(r io.Reader, name string, most int64, v any) error {
	b, err := io.ReadAll(io.LimitReader(r, most+1))
	if err != nil {
		return err
	}
	if int64(len(b)) > most {
		return fmt.Errorf("%s: over %d bytes", name, most)
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// ReadResources reads limits, linux.resources of a config.json, from a file; "-" is the standard input.
func ReadResources(file string) (*specs.LinuxResources, error) {
	f := os.Stdin
	if file != "-" {
		var err error
		if f, err = os.Open(file); err != nil {
			return nil, err
		}
		defer f.Close()
	}
	var r specs.LinuxResources
	if err := decodeJSON(f, file, maxResources, &r); err != nil {
		return nil, err
	}
	return &r, nil
}

// keep is the part of a spec that commands after create need: exec (namespaces, the seccomp profile, and of the process what a process.json
// may leave out), start, delete and state for hooks.
func keep(s *specs.Spec) *specs.Spec {
	k := &specs.Spec{Version: s.Version, Hooks: s.Hooks, Root: s.Root, Annotations: s.Annotations, Linux: &specs.Linux{}}
	if l := s.Linux; l != nil {
		k.Linux.Namespaces, k.Linux.CgroupsPath, k.Linux.Seccomp = l.Namespaces, l.CgroupsPath, l.Seccomp
		k.Linux.Personality, k.Linux.IntelRdt, k.Linux.MemoryPolicy = l.Personality, l.IntelRdt, l.MemoryPolicy
	}
	if s.Process != nil {
		p := *s.Process
		if s.Hooks == nil || len(s.Hooks.StartContainer) == 0 { // those run in the workload's environment
			p.Env = nil
		}
		p.Args = nil
		k.Process = &p
	}
	return k
}

// spec is what was kept.
func (c *container) spec() (*specs.Spec, error) {
	var s specs.Spec
	if err := json.Unmarshal(c.Spec, &s); err != nil {
		return nil, fmt.Errorf("%s: spec: %w", recordName, err)
	}
	return &s, nil
}
