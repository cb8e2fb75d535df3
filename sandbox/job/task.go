// SPDX-License-Identifier: Apache-2.0

package job

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

// Task is running work, as the work itself sees it.
type Task struct {
	ctx     context.Context
	key     string
	started time.Time
	stage   atomic.Pointer[stage]
}

type stage struct {
	name  string
	since time.Time
}

// Context ends when the daemon goes down or the work's time is over, not when a caller leaves.
func (t *Task) Context() context.Context { return t.ctx }

// Stage says what the work does from now on, for errors and for whoever asks why it takes long. Work that does several things at
// once names the last one that it began.
func (t *Task) Stage(name string) { t.stage.Store(&stage{name, time.Now()}) }

// Status is a moment of a running task.
type Status struct {
	Key        string
	Stage      string
	Running    time.Duration // since the work began
	StageSince time.Duration // since the stage began
}

func (t *Task) status(now time.Time) Status {
	s := t.stage.Load()
	return Status{Key: t.key, Stage: s.name, Running: now.Sub(t.started), StageSince: now.Sub(s.since)}
}

func (s Status) String() string {
	return fmt.Sprintf("stage %q for %s, %s in all", s.Stage, round(s.StageSince), round(s.Running))
}

func round(d time.Duration) time.Duration { return d.Round(time.Millisecond) }
