// SPDX-License-Identifier: Apache-2.0

package image

import (
	"context"
	"errors"
	"sync"
	"time"
)

var errClosed = errors.New("the image store is closing")

// jobs are the pulls under way, by what they pull. A job belongs to the store, not to a caller: equal requests join it, and it goes on
// for a while when the last caller has gone, because that one comes back (the kubelet's deadline, its restart).
type jobs struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	work   sync.WaitGroup

	// mu guards byKey and the jobs in it.
	mu    sync.Mutex
	byKey map[jobKey]*job
}

type jobKey struct{ ref, platform, credential, namespace string }

type job struct {
	progress *progress
	cancel   context.CancelCauseFunc
	done     chan struct{}
	waiters  int
	lonely   *time.Timer // runs while nobody waits
	// image and err are set before done is closed.
	image *Image
	err   error
}

func (j *jobs) start() {
	j.ctx, j.cancel = context.WithCancelCause(context.Background())
	j.byKey = map[jobKey]*job{}
}

func (j *jobs) stop() {
	j.mu.Lock()
	j.cancel(errClosed) // under the lock: after it nobody adds to work
	j.mu.Unlock()
	j.work.Wait()
}

// do joins the job of that key or starts it, and waits for its end or the caller's.
func (j *jobs) do(ctx context.Context, key jobKey, linger time.Duration, run func(context.Context, *progress) (*Image, error)) (*Image, error) {
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	b, err := j.join(key, run)
	if err != nil {
		return nil, err
	}
	defer j.leave(b, linger)
	select {
	case <-b.done:
		return b.image, b.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (j *jobs) join(key jobKey, run func(context.Context, *progress) (*Image, error)) (*job, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.ctx.Err() != nil {
		return nil, errClosed
	}
	b := j.byKey[key]
	if b == nil {
		ctx, cancel := context.WithCancelCause(j.ctx)
		b = &job{progress: &progress{ref: key.ref, begun: time.Now()}, cancel: cancel, done: make(chan struct{})}
		j.byKey[key] = b
		j.work.Go(func() {
			image, err := run(ctx, b.progress)
			j.end(key, b, image, err)
		})
	}
	b.waiters++
	if b.lonely != nil {
		b.lonely.Stop()
		b.lonely = nil
	}
	return b, nil
}

// all are the jobs under way, with the numbers of their callers.
func (j *jobs) all() []jobInfo {
	j.mu.Lock()
	defer j.mu.Unlock()
	var out []jobInfo
	for _, b := range j.byKey {
		out = append(out, jobInfo{b.progress, b.waiters})
	}
	return out
}

type jobInfo struct {
	progress *progress
	callers  int
}

func (j *jobs) end(key jobKey, b *job, image *Image, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	delete(j.byKey, key)
	b.image, b.err = image, err
	if b.lonely != nil {
		b.lonely.Stop()
	}
	b.cancel(nil)
	close(b.done)
}

func (j *jobs) leave(b *job, linger time.Duration) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if b.waiters--; b.waiters > 0 {
		return
	}
	b.lonely = time.AfterFunc(linger, func() { b.cancel(errors.New("nobody waits for the pull any more")) })
}
