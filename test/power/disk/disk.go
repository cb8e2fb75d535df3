// SPDX-License-Identifier: Apache-2.0

// Package disk is a disk with a volatile cache, as a machine's are, that loses power whenever a test likes:
//
//	write ──▶ cache ── flush, or FUA ──▶ durable
//	             └── Cut: what had not been flushed is there, or is not, or is there in part, as chance has it
//
// QEMU reaches it as a network block device (Serve). A guest that syncs as it must finds after a cut what it was promised; one that
// forgets a sync loses data sooner or later, in whatever order the disk likes.
package disk

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// tear is the unit in which a write may be lost: what a disk writes at once.
const tear = 4096

// Disk is safe for concurrent use.
type Disk struct {
	size int64

	// mu guards what follows.
	mu      sync.Mutex
	durable *os.File // as after a cut that loses the whole cache
	cache   []write  // oldest first
	writes  int
	flushes int
}

type write struct {
	at   int64
	data []byte
	fua  bool // durable already; it stays here for its place among the others
}

// Open makes a disk of an image file, which becomes its durable content.
func Open(path string) (*Disk, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	st, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, err
	}
	return &Disk{size: st.Size(), durable: f}, nil
}

// Close closes the file.
func (d *Disk) Close() error { return d.durable.Close() }

// Size in bytes.
func (d *Disk) Size() int64 { return d.size }

// Counts tells the writes and flushes so far.
func (d *Disk) Counts() (writes, flushes int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.writes, d.flushes
}

// ReadAt reads what was written last.
func (d *Disk) ReadAt(b []byte, at int64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, err := d.durable.ReadAt(b, at); err != nil {
		return err
	}
	for _, w := range d.cache {
		if from, to := max(w.at, at), min(w.at+int64(len(w.data)), at+int64(len(b))); from < to {
			copy(b[from-at:to-at], w.data[from-w.at:])
		}
	}
	return nil
}

// WriteAt takes the bytes over. With fua they are durable when it returns, and nothing else is.
func (d *Disk) WriteAt(b []byte, at int64, fua bool) error {
	if at < 0 || at+int64(len(b)) > d.size {
		return fmt.Errorf("write of %d bytes at %d: the disk has %d", len(b), at, d.size)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.writes++
	d.cache = append(d.cache, write{at, b, fua})
	if !fua {
		return nil
	}
	_, err := d.durable.WriteAt(b, at)
	return err
}

// Flush makes durable what was written before.
func (d *Disk) Flush() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.flushes++
	for _, w := range d.cache {
		if _, err := d.durable.WriteAt(w.data, w.at); err != nil {
			return err
		}
	}
	d.cache = nil
	return nil
}

// Cut writes the disk as it may be after a loss of power at this moment to a file. Each 4 KiB of the cache are kept or lost by
// themselves. now, if not nil, is called at the moment of the cut.
func (d *Disk) Cut(path string, r *rand.Rand, now func()) (err error) {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := f.Close(); err == nil {
			err = cerr
		}
	}()
	if err := f.Truncate(d.size); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if now != nil {
		now()
	}
	if err := copyData(f, d.durable, d.size); err != nil {
		return fmt.Errorf("copy of the disk: %w", err)
	}
	keep := r.Float64() // of all that is in the cache: sometimes nearly all is lost, sometimes nearly nothing
	for _, w := range d.cache {
		for n := int64(0); n < int64(len(w.data)); n += tear {
			if !w.fua && r.Float64() >= keep {
				continue
			}
			if _, err := f.WriteAt(w.data[n:min(n+tear, int64(len(w.data)))], w.at+n); err != nil {
				return err
			}
		}
	}
	return nil
}

// copyData copies what is not a hole.
func copyData(to, from *os.File, size int64) error {
	for at := int64(0); at < size; {
		data, err := unix.Seek(int(from.Fd()), at, unix.SEEK_DATA)
		if err == unix.ENXIO {
			return nil
		}
		if err != nil {
			return err
		}
		hole, err := unix.Seek(int(from.Fd()), data, unix.SEEK_HOLE)
		if err != nil {
			return err
		}
		if _, err := io.Copy(io.NewOffsetWriter(to, data), io.NewSectionReader(from, data, hole-data)); err != nil {
			return err
		}
		at = hole
	}
	return nil
}
