// SPDX-License-Identifier: Apache-2.0

package config

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// Merge lays the keys of one TOML document over c. The name stands for the document in errors. On an error c is
// left as it was.
func (c *Config) Merge(name string, data []byte) error {
	next := c.clone()
	d := toml.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&next); err != nil {
		return located(name, err)
	}
	*c = next
	return nil
}

// clone copies c with everything that a decoder could write into.
func (c *Config) clone() Config {
	n := *c
	n.Network.CNIBinDirs = slices.Clone(c.Network.CNIBinDirs)
	n.Image.Pinned = slices.Clone(c.Image.Pinned)
	return n
}

// located turns the decoder's error into one that an editor can jump to: name:line:column: key: what is wrong.
func located(name string, err error) error {
	var missing *toml.StrictMissingError
	if errors.As(err, &missing) {
		all := make([]error, 0, len(missing.Errors))
		for i := range missing.Errors {
			e := &missing.Errors[i]
			line, column := e.Position()
			all = append(all, fmt.Errorf("%s:%d:%d: %s: unknown key", name, line, column, strings.Join(e.Key(), ".")))
		}
		return errors.Join(all...)
	}
	var wrong *toml.DecodeError
	if errors.As(err, &wrong) {
		line, column := wrong.Position()
		key := strings.Join(wrong.Key(), ".")
		if key != "" {
			key += ": "
		}
		return fmt.Errorf("%s:%d:%d: %s%s", name, line, column, key, strings.TrimPrefix(wrong.Error(), "toml: "))
	}
	return fmt.Errorf("%s: %w", name, err)
}
