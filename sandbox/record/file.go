// SPDX-License-Identifier: Apache-2.0

package record

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// The names of the two files of an object.
const (
	RecordFile = "record.json"
	StatusFile = "status.json"
)

// Written is a file that is visible and not yet durable.
type Written struct {
	file *os.File
	dir  string
}

// Write makes or replaces dir/name by a rename. Readers see the old content or the new, never a mixture. The caller calls
// Sync or Close.
func Write(dir, name string, data []byte) (*Written, error) {
	path := filepath.Join(dir, name)
	f, err := os.OpenFile(path+".tmp", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	_, err = f.Write(data)
	if err == nil {
		err = os.Rename(path+".tmp", path)
	}
	if err != nil {
		f.Close()
		os.Remove(path + ".tmp")
		return nil, err
	}
	return &Written{f, dir}, nil
}

// inPlace is the size up to which Update writes into the file itself: a page, which one write(2) into the page cache changes as a
// whole, whatever signal comes.
const inPlace = 4096

// Update makes or replaces dir/name, which is not to be durable. A small content is written over the old one, and what the old one was
// longer is filled with blanks: a rename over an existing file makes ext4 write the new one out at once (auto_da_alloc), which costs more
// than all else.
func Update(dir, name string, data []byte) error {
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return err
	}
	size := max(len(data), int(st.Size()))
	if size > inPlace {
		w, err := Write(dir, name, data)
		if err != nil {
			return err
		}
		return w.Close()
	}
	padded := append(make([]byte, 0, inPlace), data...)
	for len(padded) < size {
		padded = append(padded, ' ')
	}
	padded[size-1] = '\n'
	_, err = f.WriteAt(padded, 0)
	return err
}

// Sync makes the file durable with its entry in the directory and the directory's entry in its parent, and closes it.
func (w *Written) Sync() error {
	defer w.Close()
	if err := unix.Fdatasync(int(w.file.Fd())); err != nil {
		return fmt.Errorf("sync %s: %w", w.file.Name(), err)
	}
	for _, dir := range []string{w.dir, filepath.Dir(w.dir)} {
		if err := syncDir(dir); err != nil {
			return err
		}
	}
	return nil
}

// Close leaves the file to the kernel's own write-back.
func (w *Written) Close() error { return w.file.Close() }

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("sync %s: %w", dir, err)
	}
	return nil
}

// Read returns the content of dir/name; ErrEmpty when it is missing or has none.
func Read(dir, name string) ([]byte, error) {
	f, err := os.Open(filepath.Join(dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrEmpty
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxSize+1))
	if err != nil {
		return nil, err
	}
	if len(data) == 0 {
		return nil, ErrEmpty
	}
	return data, nil
}
