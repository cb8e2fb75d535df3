// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/vishvananda/netlink"
)

// The reaper sees to it that the interfaces of detached pods go away, while nobody waits.
//
// To delete a veth takes 30 ms, and the kernel deletes it anyway when it takes the pod's namespace down, many in one go. So the
// reaper only looks whether it is gone, and deletes it when that takes longer than it should.
const (
	reapEvery = 25 * time.Millisecond
	reapGrace = time.Second
)

// reaper runs a goroutine while there is something to wait for.
type reaper struct {
	handle *netlink.Handle // its own: a deletion must not hold up the others
	log    *slog.Logger

	// mu guards the interfaces that are on their way out.
	mu      sync.Mutex
	doomed  map[string]doomed
	running bool
	hurry   bool
	wake    chan struct{} // hurry was set
	quit    chan struct{} // closed by stop
	idle    chan struct{} // closed when the goroutine ends
}

type doomed struct {
	since time.Time
	gone  func() // is called once, without locks
}

func newReaper(h *netlink.Handle, log *slog.Logger) *reaper {
	return &reaper{handle: h, log: log, doomed: map[string]doomed{}, wake: make(chan struct{}, 1), quit: make(chan struct{})}
}

// add takes over an interface. gone is called when it does not exist any more.
func (r *reaper) add(name string, gone func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.doomed[name] = doomed{since: time.Now(), gone: gone}
	if !r.running {
		r.running, r.idle = true, make(chan struct{})
		go r.run()
	}
}

// waits says whether the interface is on its way out.
func (r *reaper) waits(name string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, ok := r.doomed[name]
	return ok
}

// flush deletes all that is waiting, now, and returns when that is done or the context is.
func (r *reaper) flush(ctx context.Context) error {
	r.mu.Lock()
	if !r.running {
		r.mu.Unlock()
		return nil
	}
	r.hurry = true
	idle := r.idle
	r.mu.Unlock()
	select {
	case r.wake <- struct{}{}:
	default:
	}
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// stop ends the goroutine, whatever is left to do: the next daemon does it.
func (r *reaper) stop() {
	close(r.quit)
	r.mu.Lock()
	running, idle := r.running, r.idle
	r.mu.Unlock()
	if running {
		<-idle
	}
}

func (r *reaper) run() {
	tick := time.NewTicker(reapEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-r.wake:
		case <-r.quit:
			r.mu.Lock()
			r.running = false
			close(r.idle)
			r.mu.Unlock()
			return
		}
		if r.round() {
			return
		}
	}
}

// round looks after each interface once; true when none is left and the goroutine ends.
func (r *reaper) round() bool {
	r.mu.Lock()
	hurry := r.hurry
	r.hurry = false
	todo := make(map[string]doomed, len(r.doomed))
	for name, d := range r.doomed {
		todo[name] = d
	}
	r.mu.Unlock()
	for name, d := range todo {
		gone, err := r.reap(name, hurry || time.Since(d.since) > reapGrace)
		if err != nil {
			r.log.Warn("interface of a detached pod not deleted, trying again", "interface", name, "error", err)
			d.since = time.Now()
			r.mu.Lock()
			r.doomed[name] = d
			r.mu.Unlock()
		}
		if !gone {
			continue
		}
		r.mu.Lock()
		delete(r.doomed, name)
		r.mu.Unlock()
		d.gone()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.doomed) > 0 {
		return false
	}
	r.running, r.hurry = false, false // a flush that came meanwhile is satisfied as well
	close(r.idle)
	return true
}

// reap says whether the interface is gone, and deletes it if it must.
func (r *reaper) reap(name string, force bool) (gone bool, err error) {
	_, err = r.handle.LinkByName(name)
	if isGone(err) {
		return true, nil
	}
	if err != nil || !force {
		return false, err
	}
	err = removeLink(r.handle, name)
	return err == nil, err
}
