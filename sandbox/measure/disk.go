// SPDX-License-Identifier: Apache-2.0

package measure

import (
	"context"
	"io/fs"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
)

const (
	// diskAge is how old a figure may get before it is measured again, or diskShare times what the last measurement took, if that is
	// longer: a percent of one CPU at most. The kubelet asks every 10 s.
	diskAge   = 2 * time.Second
	diskShare = 100
	// diskQueue bounds how many directories wait to be measured; more wait for the next question.
	diskQueue = 256
	// diskEntries and diskTime bound one measurement: a directory with more files is reported as large as it was found until then.
	diskEntries = 1 << 20
	diskTime    = 20 * time.Second
)

// Disk measures how much directories take on disk. It walks them, which may take long, so it does that one at a time, in the
// background, for those that somebody asks for; an answer is the last figure.
type Disk struct {
	mountpoint string
	queue      chan request

	mu      sync.Mutex // guards figures
	figures map[string]*figure
}

type request struct{ id, dir string }

type figure struct {
	at            time.Time // zero: never measured
	took          time.Duration
	queued        bool
	bytes, inodes uint64
}

// NewDisk returns a meter for directories of one file system, which answers name by the mountpoint: the kubelet compares it with the
// image store's. Run does the measuring.
func NewDisk(mountpoint string) *Disk {
	return &Disk{mountpoint: mountpoint, queue: make(chan request, diskQueue), figures: map[string]*figure{}}
}

// Of returns the last figure of an ID, and asks for a new one when it is old.
func (d *Disk) Of(id, dir string) *runtime.FilesystemUsage {
	d.Measure(id, dir)
	d.mu.Lock()
	defer d.mu.Unlock()
	out := &runtime.FilesystemUsage{Timestamp: time.Now().UnixNano(), FsId: &runtime.FilesystemIdentifier{Mountpoint: d.mountpoint}}
	f := d.figures[id]
	if f == nil { // forgotten in between
		f = &figure{}
	}
	if !f.at.IsZero() {
		out.Timestamp = f.at.UnixNano()
	}
	out.UsedBytes, out.InodesUsed = Value(f.bytes), Value(f.inodes)
	return out
}

// Measure asks for a figure unless the last one is young or one is asked for already.
func (d *Disk) Measure(id, dir string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.figures[id]
	if f == nil {
		f = &figure{}
		d.figures[id] = f
	}
	if f.queued || time.Since(f.at) < max(diskAge, diskShare*f.took) {
		return
	}
	select {
	case d.queue <- request{id, dir}:
		f.queued = true
	default:
	}
}

// Forget drops the figure of one ID.
func (d *Disk) Forget(id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.figures, id)
}

// Run measures until ctx ends.
func (d *Disk) Run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case q := <-d.queue:
			start := time.Now()
			bytes, inodes := diskUsage(q.dir, start.Add(diskTime))
			d.mu.Lock()
			if f := d.figures[q.id]; f != nil { // nil: forgotten meanwhile
				*f = figure{at: time.Now(), took: time.Since(start), bytes: bytes, inodes: inodes}
			}
			d.mu.Unlock()
		}
	}
}

// diskUsage adds up what a tree takes on disk, a file with several names once. What vanishes meanwhile is left out.
func diskUsage(dir string, until time.Time) (bytes, inodes uint64) {
	seen := map[uint64]bool{}
	entries := 0
	filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if entries++; entries > diskEntries || entries%1024 == 0 && time.Now().After(until) {
			return filepath.SkipAll
		}
		if err != nil {
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return nil
		}
		st, ok := info.Sys().(*syscall.Stat_t)
		if !ok || st.Nlink > 1 && !d.IsDir() && seen[st.Ino] {
			return nil
		}
		if st.Nlink > 1 && !d.IsDir() {
			seen[st.Ino] = true
		}
		bytes += uint64(st.Blocks) * 512
		inodes++
		return nil
	})
	return bytes, inodes
}
