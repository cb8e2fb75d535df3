// SPDX-License-Identifier: Apache-2.0

package layerstore

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/opencontainers/go-digest"

	"crisp/image/layer"
)

const (
	recordName    = "layer.json"
	recordVersion = 1
	// treeName is the directory with the layer's files.
	treeName = "fs"
	// maxRecord is far more than the limits on notes in a layer allow.
	maxRecord = 1 << 30
)

// record is what layer.json holds.
type record struct {
	Version int           `json:"version"`
	DiffID  digest.Digest `json:"diffID"`
	Summary layer.Summary `json:"summary"`
}

// writeRecord writes the record of a layer that is not committed yet: Commit's sync makes it durable.
func writeRecord(dir string, id digest.Digest, sum layer.Summary) error {
	b, err := json.MarshalIndent(record{Version: recordVersion, DiffID: id, Summary: sum}, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, recordName), append(b, '\n'), 0o600)
}

// readRecord reads and checks the record of a committed layer.
func readRecord(dir string) (record, error) {
	var r record
	path := filepath.Join(dir, recordName)
	if fi, err := os.Lstat(path); err != nil {
		return r, err
	} else if !fi.Mode().IsRegular() || fi.Size() > maxRecord {
		return r, fmt.Errorf("%s is no record: %s, %d bytes", path, fi.Mode(), fi.Size())
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(b, &r); err != nil {
		return r, fmt.Errorf("%s: %w", path, err)
	}
	if r.Version != recordVersion {
		return r, fmt.Errorf("%s: version %d, not %d", path, r.Version, recordVersion)
	}
	if err := r.DiffID.Validate(); err != nil || dirName(r.DiffID) != filepath.Base(dir) {
		return r, fmt.Errorf("%s: it is the record of %q", path, r.DiffID)
	}
	if fi, err := os.Lstat(filepath.Join(dir, treeName)); err != nil || !fi.IsDir() {
		return r, fmt.Errorf("%s has no directory %s", dir, treeName)
	}
	return r, nil
}

func dirName(id digest.Digest) string { return strings.Replace(id.String(), ":", "-", 1) }
