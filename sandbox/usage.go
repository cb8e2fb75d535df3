// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"io/fs"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
)

const (
	// usageAge is how old the figure for a writable layer may get before it is measured again, or usageShare times what the last
	// measurement took, if that is longer: a percent of one CPU at most. The kubelet asks every 10 s.
	usageAge   = 2 * time.Second
	usageShare = 100
	// usageQueue bounds how many layers wait to be measured; more wait for the next question.
	usageQueue = 256
	// usageEntries and usageTime bound one measurement: a layer with more files is reported as large as it was found until then.
	usageEntries = 1 << 20
	usageTime    = 20 * time.Second
)

// usageMeter measures how much containers have written into their root file systems. It walks the writable layer, which may take long,
// so it does that one layer at a time, in the background, for layers that somebody asks for; an answer is the last figure.
type usageMeter struct {
	m          *Manager
	queue      chan *container
	mountpoint string // the same as the image store's: the kubelet compares them

	mu      sync.Mutex // guards started and figures
	started bool
	figures map[string]*usageFigure
}

type usageFigure struct {
	at            time.Time // zero: never measured
	took          time.Duration
	queued        bool
	bytes, inodes uint64
}

func newUsageMeter(m *Manager, mountpoint string) *usageMeter {
	return &usageMeter{m: m, queue: make(chan *container, usageQueue), mountpoint: mountpoint, figures: map[string]*usageFigure{}}
}

// of returns the last figure, and asks for a new one when it is old.
func (u *usageMeter) of(c *container) *runtime.FilesystemUsage {
	u.measure(c)
	u.mu.Lock()
	defer u.mu.Unlock()
	f := u.figures[c.rec.ID]
	out := &runtime.FilesystemUsage{Timestamp: f.at.UnixNano(), FsId: &runtime.FilesystemIdentifier{Mountpoint: u.mountpoint}}
	if f.at.IsZero() {
		out.Timestamp = time.Now().UnixNano()
	}
	out.UsedBytes, out.InodesUsed = value(f.bytes), value(f.inodes)
	return out
}

// measure queues a measurement unless the figure is young or waits already.
func (u *usageMeter) measure(c *container) {
	u.mu.Lock()
	defer u.mu.Unlock()
	f := u.figures[c.rec.ID]
	if f == nil {
		f = &usageFigure{}
		u.figures[c.rec.ID] = f
	}
	if f.queued || time.Since(f.at) < max(usageAge, usageShare*f.took) {
		return
	}
	if !u.started {
		u.started = u.m.spawn(u.run)
	}
	select {
	case u.queue <- c:
		f.queued = true
	default:
	}
}

func (u *usageMeter) forget(id string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.figures, id)
}

func (u *usageMeter) run() {
	for {
		select {
		case <-u.m.ctx.Done():
			return
		case c := <-u.queue:
			start := time.Now()
			bytes, inodes := diskUsage(filepath.Join(c.dir, "upper"), time.Now().Add(usageTime))
			u.mu.Lock()
			if f := u.figures[c.rec.ID]; f != nil { // nil: removed meanwhile
				*f = usageFigure{at: time.Now(), took: time.Since(start), bytes: bytes, inodes: inodes}
			}
			u.mu.Unlock()
		}
	}
}

// diskUsage adds up what a tree takes on disk, a file with several names once. What vanishes meanwhile is left out.
func diskUsage(dir string, until time.Time) (bytes, inodes uint64) {
	seen := map[uint64]bool{}
	entries := 0
	filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if entries++; entries > usageEntries || entries%1024 == 0 && time.Now().After(until) {
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
