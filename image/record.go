// SPDX-License-Identifier: Apache-2.0

package image

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"crisp/image/internal/step"
)

const (
	recordVersion = 1
	// maxRecord bounds what is read back: a config of 8 MiB, written as a JSON string, with its names.
	maxRecord = 64 << 20
)

// record is an image as it is on disk, in records/HEX.json.
type record struct {
	Version int `json:"version"`
	// ID is the digest of Config.
	ID digest.Digest `json:"id"`
	// Config is the image's configuration, byte for byte.
	Config string `json:"config"`
	// Layers are the diff IDs, base first.
	Layers []digest.Digest `json:"layers"`
	// Repair is the layer that the stack of them needs on top; "" for none.
	Repair digest.Digest `json:"repair,omitempty"`
	Names  []name        `json:"names"`
	// Removed: somebody has removed the image while a container used it. It has no names, and goes with its last user.
	Removed bool `json:"removed,omitempty"`
}

// name is one name of an image. A tag may stand in two records after a crash in the middle of its move: the later one counts.
type name struct {
	// Ref is "docker.io/library/busybox:latest" or "…@sha256:…".
	Ref string `json:"ref"`
	// At is when it was given, in nanoseconds since 1970.
	At int64 `json:"at"`
	// Platform is what was asked for, for names with a digest: "" is the node's own. An index has an image for each.
	Platform string `json:"platform,omitempty"`
}

func (n name) isDigest() bool { return strings.Contains(n.Ref, "@") }

// give adds a name, or renews it.
func (r *record) give(n name) {
	r.drop(n)
	r.Names = append(r.Names, n)
	slices.SortFunc(r.Names, func(a, b name) int { return cmp.Or(cmp.Compare(a.Ref, b.Ref), cmp.Compare(a.Platform, b.Platform)) })
}

// drop takes a name away. It makes a new list: others may be reading the old one.
func (r *record) drop(n name) {
	r.Names = slices.DeleteFunc(slices.Clone(r.Names), func(x name) bool { return x.Ref == n.Ref && x.Platform == n.Platform })
}

// allLayers are the layers that the image needs on disk.
func (r *record) allLayers() []digest.Digest {
	if r.Repair == "" {
		return r.Layers
	}
	return append(slices.Clone(r.Layers), r.Repair)
}

// recordDir keeps records as files.
type recordDir struct {
	path string
	step step.Func
}

func (d recordDir) file(id digest.Digest) string {
	return filepath.Join(d.path, strings.Replace(id.String(), ":", "-", 1)+".json")
}

// write makes a record durable: aside, synced, renamed, the directory synced.
func (d recordDir) write(r *record) error {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	file := d.file(r.ID)
	d.step.Take("record: write")
	if err := writeSynced(file+".new", append(b, '\n')); err != nil {
		return fmt.Errorf("record of image %s: %w", r.ID, err)
	}
	d.step.Take("record: rename")
	if err := os.Rename(file+".new", file); err != nil {
		return fmt.Errorf("record of image %s: %w", r.ID, err)
	}
	return d.sync()
}

func writeSynced(file string, b []byte) (err error) {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if _, err := f.Write(b); err != nil {
		return err
	}
	return f.Sync()
}

// remove deletes a record durably. It needs no space on a full disk.
func (d recordDir) remove(id digest.Digest) error {
	d.step.Take("record: remove")
	if err := os.Remove(d.file(id)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("record of image %s: %w", id, err)
	}
	return d.sync()
}

func (d recordDir) sync() error {
	d.step.Take("record: sync the directory")
	f, err := os.Open(d.path)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// readAll reads all records. Of those that are damaged it returns the errors; half-written ones it deletes.
func (d recordDir) readAll() (records []*record, damaged []error, err error) {
	entries, err := os.ReadDir(d.path)
	if err != nil {
		return nil, nil, err
	}
	for _, e := range entries {
		file := filepath.Join(d.path, e.Name())
		if strings.HasSuffix(file, ".new") {
			if err := os.Remove(file); err != nil {
				return nil, nil, err
			}
			continue
		}
		r, err := readRecord(file)
		if err == nil && d.file(r.ID) != file {
			err = fmt.Errorf("it is the record of %s", r.ID)
		}
		if err != nil {
			damaged = append(damaged, fmt.Errorf("%s: %w", file, err))
			continue
		}
		records = append(records, r)
	}
	return records, damaged, nil
}

func readRecord(file string) (*record, error) {
	fi, err := os.Lstat(file)
	if err != nil {
		return nil, err
	}
	if !fi.Mode().IsRegular() || fi.Size() > maxRecord {
		return nil, fmt.Errorf("no record: %s, %d bytes", fi.Mode(), fi.Size())
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return parseRecord(b)
}

func parseRecord(b []byte) (*record, error) {
	r := &record{}
	if err := json.Unmarshal(b, r); err != nil {
		return nil, err
	}
	if r.Version != recordVersion {
		return nil, fmt.Errorf("version %d, not %d", r.Version, recordVersion)
	}
	if err := r.ID.Validate(); err != nil {
		return nil, fmt.Errorf("ID %q: %w", r.ID, err)
	}
	if r.ID.Algorithm().FromString(r.Config) != r.ID {
		return nil, fmt.Errorf("%w: the config in it is not %s", ErrDigest, r.ID)
	}
	for _, l := range r.allLayers() {
		if err := l.Validate(); err != nil {
			return nil, fmt.Errorf("layer %q: %w", l, err)
		}
	}
	return r, nil
}

// config decodes the configuration.
func (r *record) config() (c ocispec.Image, err error) {
	err = json.Unmarshal([]byte(r.Config), &c)
	return c, err
}
