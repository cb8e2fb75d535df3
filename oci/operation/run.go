// SPDX-License-Identifier: Apache-2.0

package operation

import (
	"context"
	"errors"
	"os"

	"crisp/conmon"

	"golang.org/x/sys/unix"
)

// RunRequest says what to run.
type RunRequest struct {
	CreateRequest
	Detach      bool // return when the workload runs
	Keep        bool // do not delete the container after its end
	NoSubreaper bool // do not wait for what the container leaves behind
}

// Run creates and starts a container and, unless detached, waits for its end and returns its exit code: 128 and the number of the signal when
// one has ended it.
func (r *Runtime) Run(ctx context.Context, q RunRequest) (int, error) {
	process := q.Spec.Process
	if err := checkConsole(process, q.Detach, q.ConsoleSocket); err != nil {
		return -1, err
	}
	f, err := newForeground(process.Terminal, q.Detach)
	if err != nil {
		return -1, err
	}
	defer f.Close()
	atOnce := !laterHooks(q.Spec.Hooks) && !q.NoSubreaper
	q.atTerminal = f.terminalSetter()
	c, p, err := r.create(ctx, &q.CreateRequest, atOnce)
	if err != nil {
		return -1, err
	}
	defer c.Close()
	defer p.Close()
	if !atOnce {
		if q.NoSubreaper && !c.Hooks { // what the workload leaves behind is another's from its first moment on; hooks are ours
			if err := subreaper(false); err != nil {
				return -1, errors.Join(err, c.deleteEnded(ctx))
			}
		}
		if err := c.startNotifying(ctx); err != nil {
			return -1, errors.Join(err, c.deleteEnded(ctx))
		}
	}
	return c.follow(ctx, f, p, &q)
}

// follow waits, unless detached, for the end of a container that runs, and deletes it then. It gives up the container's lock.
func (c *container) follow(ctx context.Context, f *foreground, p conmon.Process, q *RunRequest) (int, error) {
	if q.Detach {
		if c.notify == nil {
			return 0, nil
		}
		unlock(int(c.dir.Fd()))
		return 0, c.notify.wait(p.Pid, int(p.Pidfd.Fd()))
	}
	if c.notify != nil {
		go func() {
			if err := c.notify.wait(os.Getpid(), int(p.Pidfd.Fd())); err != nil {
				c.runtime.config.Log.Warn(err.Error())
			}
		}()
	}
	if q.NoSubreaper {
		if err := subreaper(false); err != nil {
			return -1, err
		}
	}
	unlock(int(c.dir.Fd())) // others may have it while it runs
	if err := f.attach(p); err != nil {
		_ = unix.PidfdSendSignal(int(p.Pidfd.Fd()), unix.SIGKILL, nil, 0)
		_, _ = f.wait(p, false)
		return -1, errors.Join(err, c.deleteEnded(ctx))
	}
	code, err := f.wait(p, !q.NoSubreaper)
	if err != nil || q.Keep {
		return code, err
	}
	if err := c.deleteEnded(ctx); err != nil {
		c.runtime.config.Log.Warn(err.Error())
	}
	return code, nil
}

// deleteEnded deletes a container that has ended, or could not be started, unless somebody else just did.
func (c *container) deleteEnded(ctx context.Context) error {
	if _, err := lock(int(c.dir.Fd())); err != nil {
		return err
	}
	if err := c.read(); errors.Is(err, ErrNotExist) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, killTimeout)
	defer cancel()
	return c.delete(ctx)
}
