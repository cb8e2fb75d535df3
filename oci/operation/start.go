// SPDX-License-Identifier: Apache-2.0

package operation

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Start lets the workload of a created container run.
func (r *Runtime) Start(ctx context.Context, id string) error {
	c, err := r.openLocked(id)
	if err != nil {
		return err
	}
	defer c.Close()
	switch {
	case !c.alive():
		return ErrStartStopped
	case c.frozen(): // it would not answer
		return fmt.Errorf("cannot start a container in the %s state", Paused)
	}
	if err := c.startNotifying(ctx); err != nil || c.notify == nil {
		return err
	}
	fd, err := c.pidfd()
	if errors.Is(err, ErrNotRunning) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	unlock(int(c.dir.Fd())) // it may take its time
	return c.notify.wait(c.Pid, fd)
}

// startNotifying is start, with somebody who listens for what the workload tells systemd.
func (c *container) startNotifying(ctx context.Context) (err error) {
	if c.notify, err = c.listenNotify(); err != nil {
		return err
	}
	return c.start(ctx)
}

// start starts a container whose lock is held. Without hooks all that is needed is a word to the process.
func (c *container) start(ctx context.Context) error {
	if !c.Hooks {
		return c.startError(c.proceed(ctx))
	}
	e, err := c.runtime.openEngine()
	if err != nil {
		return err
	}
	defer e.Close()
	if err := subreaper(true); err != nil {
		return err
	}
	k, err := c.load(ctx, e, &once{container: c})
	if err != nil {
		return err
	}
	defer k.Close()
	return c.startError(k.Start(ctx))
}

// startError gives a program that cannot be executed runc's words.
func (c *container) startError(err error) error {
	if err == nil || c.Program == "" {
		return err
	}
	return programError(err, c.Program)
}
