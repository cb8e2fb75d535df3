// SPDX-License-Identifier: Apache-2.0

package operation

import (
	"context"
	"errors"
	"fmt"
	"time"

	"crisp/oci"

	"golang.org/x/sys/unix"
)

// killTimeout bounds the wait for the end of a container that delete kills.
const killTimeout = 10 * time.Second

// Delete removes what is left of a stopped container, and kills one that was created but not started. With force it kills any, and it
// is no error that there is none.
func (r *Runtime) Delete(ctx context.Context, id string, force bool) error {
	c, err := r.openLocked(id)
	if errors.Is(err, ErrNotExist) {
		return r.deleteHalf(id, force)
	}
	if err != nil {
		return err
	}
	defer c.Close()
	switch s := c.status(); {
	case force, s == Created, s == Stopped, s == Creating: // creating: by nobody, we have the lock
	default:
		return fmt.Errorf("cannot delete container %s that is not stopped: %s", id, s)
	}
	ctx, cancel := context.WithTimeout(ctx, killTimeout)
	defer cancel()
	return c.delete(ctx)
}

// deleteHalf removes a directory without a record: whoever was making it was killed right at the start.
func (r *Runtime) deleteHalf(id string, force bool) error {
	c, err := r.openDirectory(id)
	if err == nil {
		_, err = lock(int(c.dir.Fd()))
		if err == nil {
			err = c.read()
		}
		if errors.Is(err, ErrNotExist) {
			err = c.remove()
		} else if err == nil {
			err = ErrBusy // it was being made, and is there now
		}
		c.Close()
		if err != nil {
			return err
		}
		err = ErrNotExist
	}
	if force && errors.Is(err, ErrNotExist) {
		return nil
	}
	return err
}

// delete kills what runs and removes everything: the cgroup, what hooks know of, and the record last.
func (c *container) delete(ctx context.Context) error {
	if err := c.end(ctx); err != nil {
		return err
	}
	var err error
	if c.Hooks || c.Mount != "" || c.IntelRdt != "" {
		err = c.deleteLoaded(ctx)
	} else {
		err = c.releaseCgroup(ctx)
	}
	if err != nil {
		return err
	}
	return c.remove()
}

// end kills the first process and waits until it is gone.
func (c *container) end(ctx context.Context) error {
	fd, err := c.pidfd()
	if errors.Is(err, ErrNotRunning) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := c.kill(unix.SIGKILL); err != nil && !errors.Is(err, ErrNotRunning) {
		return err
	}
	if !waitPidfd(ctx, fd) {
		return errors.New("container init still running")
	}
	return nil
}

// deleteLoaded removes the cgroup by package oci, which runs the hooks and unmounts what others see.
func (c *container) deleteLoaded(ctx context.Context) error {
	return c.loaded(ctx, func(k *oci.Container) error { return k.Delete(ctx) })
}
