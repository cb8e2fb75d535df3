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

	"crisp/oci/config"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// ConfigName is the specification's file in a bundle.
const ConfigName = "config.json"

// maxConfig bounds what is read as JSON.
const maxConfig = 16 << 20

// maxResources bounds limits.
const maxResources = 1 << 20

// LoadConfig reads the config.json of a bundle.
func LoadConfig(bundle string) (*config.Config, error) {
	path := filepath.Join(bundle, ConfigName)
	text, err := readText(path, maxConfig)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("JSON specification file %s not found", ConfigName)
	}
	if err != nil {
		return nil, err
	}
	c, err := config.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if c.Spec == nil {
		return nil, errors.New("config cannot be null")
	}
	return c, checkProcess(c.Spec.Process)
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

// readText reads a file of at most so many bytes. A FIFO that nobody writes to is empty, and not waited for.
func readText(path string, most int) ([]byte, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd)
	b, err := readAll(fd, most+1)
	if err != nil {
		return nil, &os.PathError{Op: "read", Path: path, Err: err}
	}
	if len(b) > most {
		return nil, fmt.Errorf("%s: over %d bytes", path, most)
	}
	return b, nil
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
