// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// DefaultPath is the main file that is read when no other is named. It may be absent.
const DefaultPath = "/etc/crisp/crisp.toml"

// maxFileSize bounds a configuration file in bytes; a real one has a few thousand.
const maxFileSize = 1 << 20

// mergeFiles lays the file at path and its drop-ins over c. The drop-ins of crisp.toml are crisp.d/*.toml beside it, in
// lexical order; names that begin with a dot are left out, as editors leave such files behind.
func (c *Config) mergeFiles(path string, required bool) error {
	err := c.mergeFile(path)
	if err != nil && (required || !errors.Is(err, fs.ErrNotExist)) {
		return err
	}
	dir := strings.TrimSuffix(path, ".toml") + ".d"
	entries, err := os.ReadDir(dir) // sorted by name
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("configuration: %w", err)
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".toml") || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		if err := c.mergeFile(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

func (c *Config) mergeFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFileSize+1))
	if err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	if len(data) > maxFileSize {
		return fmt.Errorf("configuration: %s: larger than %d bytes", path, maxFileSize)
	}
	return c.Merge(path, data)
}
