// SPDX-License-Identifier: Apache-2.0

package images

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"
)

// File is one entry of a layer.
type File struct {
	Name    string // without a leading slash
	Mode    int64
	UID     int // the group gets the same number
	Link    string
	Symlink string
	Dir     bool
	Data    []byte
}

// Dir is a directory.
func Dir(name string, mode int64) File { return File{Name: name, Mode: mode, Dir: true} }

// Text is a readable file.
func Text(name, s string) File { return File{Name: name, Mode: 0o644, Data: []byte(s)} }

// Binary is a file with a mode of its own.
func Binary(name string, data []byte, mode int64) File {
	return File{Name: name, Mode: mode, Data: data}
}

// OwnedBy is the file with another owner.
func (f File) OwnedBy(uid int) File { f.UID = uid; return f }

// Compression of a layer.
type Compression int

// Those that images here use. Plain ones have a digest that no compressor's version changes.
const (
	Gzip Compression = iota
	Plain
	Zstd // of OCI images only
)

// Layer is one layer, ready to be served.
type Layer struct {
	Data        []byte
	Compression Compression
	DiffID      digest.Digest // of the tar archive
}

// epoch is the time of every file and image.
var epoch = time.Unix(1_700_000_000, 0).UTC()

// NewLayer packs files in the given order.
func NewLayer(files []File, c Compression) (Layer, error) {
	archive, err := pack(files)
	if err != nil {
		return Layer{}, err
	}
	l := Layer{Data: archive, Compression: c, DiffID: digest.FromBytes(archive)}
	switch c {
	case Gzip:
		l.Data, err = compress(archive)
	case Zstd:
		l.Data, err = compressZstd(archive)
	}
	return l, err
}

func pack(files []File) ([]byte, error) {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, f := range files {
		if err := w.WriteHeader(f.header()); err != nil {
			return nil, err
		}
		if _, err := w.Write(f.Data); err != nil {
			return nil, err
		}
	}
	err := w.Close()
	return buf.Bytes(), err
}

func (f File) header() *tar.Header {
	h := &tar.Header{
		Name: f.Name, Mode: f.Mode, Uid: f.UID, Gid: f.UID, ModTime: epoch,
		Typeflag: tar.TypeReg, Size: int64(len(f.Data)), Format: tar.FormatPAX,
	}
	switch {
	case f.Dir:
		h.Typeflag, h.Name = tar.TypeDir, f.Name+"/"
	case f.Link != "":
		h.Typeflag, h.Linkname = tar.TypeLink, f.Link
	case f.Symlink != "":
		h.Typeflag, h.Linkname, h.Mode = tar.TypeSymlink, f.Symlink, 0o777
	}
	return h
}

func compressZstd(data []byte) ([]byte, error) {
	w, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	defer w.Close()
	return w.EncodeAll(data, nil), nil
}

func compress(data []byte) ([]byte, error) {
	var buf bytes.Buffer
	w, err := gzip.NewWriterLevel(&buf, gzip.BestSpeed)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(data); err != nil {
		return nil, err
	}
	err = w.Close()
	return buf.Bytes(), err
}
