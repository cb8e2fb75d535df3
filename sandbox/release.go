// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"crisp/conmon"
	"crisp/oci"
	"crisp/oci/cgroup"
)

const (
	// releaseTimeout bounds one attempt to release what an object owns.
	releaseTimeout = 30 * time.Second
	// abandonRetryMax bounds the pause between attempts for objects that no caller knows of.
	abandonRetryMax = time.Minute
	// monitorTimeout bounds a question to a monitor, which answers in microseconds if it lives.
	monitorTimeout = 5 * time.Second
)

// releasePod releases everything in the kernel and the network that has the pod's ID: its processes, cgroup, network and
// files of this boot. It is the same for a stop, for a creation that failed, for what a crash left and after a reboot,
// and may be repeated at any point. The pod's containers are dead or die with the monitor.
func (m *Manager) releasePod(ctx context.Context, p *pod) error {
	var errs []error
	step := func(what string, err error) {
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", what, err))
		}
	}
	step("end monitor", m.endMonitor(ctx, p))
	step("pause cgroup", m.releaseCgroup(ctx, p.rec.Cgroup))
	if !p.hostNetwork() {
		step("network", m.cfg.Network.Detach(ctx, networkPod(p, m.cfg.Network.NamespacePath(p.rec.ID))))
		step("network namespace", m.cfg.Network.RemoveNamespace(ctx, p.rec.ID))
	}
	step("shm", m.dropShm(p.rec.ID))
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	return os.RemoveAll(m.dirs.podRun(p.rec.ID))
}

// endMonitor ends the pod's monitor and with it the pause process. A monitor that is not known is looked for at its socket.
func (m *Manager) endMonitor(ctx context.Context, p *pod) error {
	ctx, cancel := context.WithTimeout(ctx, monitorTimeout)
	defer cancel()
	live := p.live.Load()
	if live == nil || live.monitor == nil {
		c, err := conmon.Connect(ctx, m.dirs.socket(p.rec.ID))
		if err != nil && ctx.Err() != nil {
			return killSilentMonitor(p)
		}
		if err != nil {
			return nil // nobody listens there
		}
		live = &podLive{monitor: c}
	}
	err := live.monitor.Shutdown(ctx, true)
	if err != nil && ctx.Err() != nil {
		// It holds its socket, so it lives, and does not answer (it is stopped, or stuck). Its containers are killed by their cgroups.
		p.log.Warn("monitor does not answer, it is killed", "pid", live.monitor.Pid())
		err = killMonitor(live.monitor)
	}
	p.live.CompareAndSwap(live, nil)
	live.close()
	if errors.Is(err, conmon.ErrGone) || errors.Is(err, conmon.ErrClosed) {
		return nil
	}
	return err
}

// killSilentMonitor kills the monitor of an earlier daemon that takes connections and does not answer (it is stopped, or stuck). Its pid is
// from the record; it is its own while the process has the pod's directory open, as every monitor has for the pause's exit record.
func killSilentMonitor(p *pod) error {
	pid := p.status().MonitorPid
	if pid <= 1 {
		return nil
	}
	pidfd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("pidfd of monitor %d: %w", pid, err)
	}
	defer unix.Close(pidfd)
	if !hasOpen(pid, p.dir) {
		return nil
	}
	p.log.Warn("monitor does not answer, it is killed", "pid", pid)
	if err := unix.PidfdSendSignal(pidfd, unix.SIGKILL, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("kill monitor %d: %w", pid, err)
	}
	return nil
}

// hasOpen says whether a process has a directory open.
func hasOpen(pid int, dir string) bool {
	fds := fmt.Sprintf("/proc/%d/fd", pid)
	entries, _ := os.ReadDir(fds) // none when the process is gone
	for _, e := range entries {
		if to, err := os.Readlink(filepath.Join(fds, e.Name())); err == nil && to == dir {
			return true
		}
	}
	return false
}

// killMonitor kills a monitor that holds its socket, so that its pid is its own, and waits until it is reaped.
func killMonitor(c *conmon.Client) error {
	if err := unix.Kill(c.Pid(), unix.SIGKILL); err != nil {
		return fmt.Errorf("kill monitor %d: %w", c.Pid(), err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), monitorTimeout)
	defer cancel()
	return c.Shutdown(ctx, true)
}

// disconnect closes the handles on the pod's processes and leaves them running.
func (p *pod) disconnect() {
	if live := p.live.Swap(nil); live != nil {
		live.close()
	}
}

func (l *podLive) close() {
	closeHandle(l.pause)
	if l.monitor != nil {
		l.monitor.Close()
	}
}

// disconnect closes the handle on the container's process and leaves it running.
func (c *container) disconnect() {
	closeHandle(c.live.Swap(nil))
}

func closeHandle(oc *oci.Container) {
	if oc != nil {
		oc.Close()
	}
}

// releaseCgroup kills what is left in a cgroup and removes it. None is no error.
func (m *Manager) releaseCgroup(ctx context.Context, path string) error {
	return m.cfg.OCI.Cgroups().Release(ctx, path)
}

// killCgroup kills what is in a cgroup and leaves it there. None is no error.
func (m *Manager) killCgroup(ctx context.Context, path string) error {
	cg, err := m.openCgroup(path)
	if cg == nil || err != nil {
		return err
	}
	return cg.Kill(ctx)
}

// openCgroup returns nil when there is none.
func (m *Manager) openCgroup(path string) (*cgroup.Cgroup, error) {
	cg, err := m.cfg.OCI.Cgroups().Open(path)
	if errors.Is(err, cgroup.ErrNotFound) {
		return nil, nil
	}
	return cg, err
}

// abandonPod releases a pod that did not come to be and forgets it. The identity is free at once; what cannot be released
// now is tried again, and its record stays on disk until it is, so that a restart goes on with it.
func (m *Manager) abandonPod(p *pod) {
	release := func(ctx context.Context) error {
		if err := m.releasePod(ctx, p); err != nil {
			return err
		}
		return os.RemoveAll(p.dir)
	}
	m.abandon("pod "+p.rec.ID, release)
}

// abandon runs release until it succeeds: once now, and then in the background.
func (m *Manager) abandon(what string, release func(context.Context) error) {
	attempt := func() bool {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(m.ctx), releaseTimeout)
		defer cancel()
		err := release(ctx)
		if err != nil {
			m.log.Error("left-over not released, it is tried again", "object", what, "err", err)
		}
		return err == nil
	}
	if attempt() {
		return
	}
	m.spawn(func() {
		for pause := time.Second; ; pause = min(2*pause, abandonRetryMax) {
			select {
			case <-m.ctx.Done():
				return
			case <-time.After(pause):
			}
			if attempt() {
				return
			}
		}
	})
}

// liveNetworks are the pods whose network must stay.
func liveNetworks(pods []*pod) []string {
	var ids []string
	for _, p := range pods {
		if p.status().StoppedAt == 0 && !p.hostNetwork() {
			ids = append(ids, p.rec.ID)
		}
	}
	return ids
}
