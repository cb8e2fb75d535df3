// SPDX-License-Identifier: Apache-2.0

package operation

import (
	"context"
	"errors"
	"fmt"
	"time"

	"crisp/oci/cgroup"
	"crisp/oci/events"
)

// EventsRequest says which events are told, and to whom.
type EventsRequest struct {
	Interval time.Duration // between the stats
	Once     bool          // the stats, once, now
	Tell     func(*events.Event) error
}

// Events tells what a container uses every now and then, and when it runs out of memory, until it has ended.
func (r *Runtime) Events(ctx context.Context, id string, q EventsRequest) error {
	if q.Interval <= 0 {
		return errors.New("duration interval must be greater than 0")
	}
	c, err := r.open(id)
	if err != nil {
		return err
	}
	defer c.Close()
	if !c.alive() {
		return fmt.Errorf("container with id %s is not running", id)
	}
	return c.withCgroup(func(g *cgroup.Cgroup) error {
		if g == nil {
			return ErrNotRunning
		}
		if c.uncontained() {
			return cgroup.ErrNone
		}
		t := teller{container: c, request: q, dirs: events.Dirs{V2: g.Version() == cgroup.V2, Of: g.Dir}}
		if q.Once {
			return t.stats()
		}
		return t.all(ctx)
	})
}

// A teller tells the events of one container.
type teller struct {
	container *container
	request   EventsRequest
	dirs      events.Dirs
}

func (t *teller) stats() error {
	s, err := events.Read(t.dirs)
	if err != nil {
		return err
	}
	if err := t.container.rdtStats(&s.IntelRdt); err != nil {
		return err
	}
	return t.request.Tell(&events.Event{Type: events.TypeStats, ID: t.container.ID, Data: s})
}

// all tells everything until the container has ended.
func (t *teller) all(ctx context.Context) error {
	watch, err := events.NewWatch(t.dirs)
	if err != nil {
		return err
	}
	kills := make(chan error)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer watch.Close()
	go func() {
		defer close(kills)
		for {
			more, err := watch.Wait()
			if !more && err == nil {
				return
			}
			select {
			case kills <- err:
			case <-ctx.Done():
				return
			}
			if err != nil {
				return
			}
		}
	}()
	ticks := time.NewTicker(t.request.Interval)
	defer ticks.Stop()
	for {
		var err error
		select {
		case killErr, more := <-kills:
			if !more {
				return nil
			}
			if err = killErr; err == nil {
				err = t.request.Tell(&events.Event{Type: events.TypeOOM, ID: t.container.ID})
			}
		case <-ticks.C:
			err = t.stats()
		case <-ctx.Done():
			err = ctx.Err()
		}
		if errors.Is(err, events.ErrGone) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
