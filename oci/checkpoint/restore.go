// SPDX-License-Identifier: Apache-2.0

package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"

	"crisp/oci/checkpoint/criu"

	"golang.org/x/sys/unix"
)

// Restored is the first process of a restored container. It is the caller's child, to be waited for.
type Restored struct {
	Pid     int
	Console *os.File // the master of its terminal; nil: it has none
}

// AtNamespaces is called when the namespaces of a container are there and nothing of it runs yet.
type AtNamespaces func(ctx context.Context, pid int) error

// Restore makes the processes of a container from its images, in its cgroup, which the caller has made. On an error none is left.
func (c *Container) Restore(ctx context.Context, o Options, at AtNamespaces) (Restored, error) {
	d, err := o.openDirectories()
	if err != nil {
		return Restored{}, err
	}
	defer d.Close()
	s, err := o.open(ctx)
	if err != nil {
		return Restored{}, err
	}
	q, err := c.restoreOptions(&o, d)
	if err != nil {
		return Restored{}, err
	}
	files, err := c.restoreNamespaces(q, criu.FirstFD)
	if err != nil {
		return Restored{}, err
	}
	defer closeAll(files)
	r := restore{container: c, at: at, directories: d}
	command := criu.Command{Program: s.program, Stdin: o.Stdin, Stdout: o.Stdout, Stderr: o.Stderr, Files: files}
	err = r.run(ctx, command, q)
	if err != nil {
		r.undo()
		c.quote(d.work, restoreLog)
		return Restored{}, err
	}
	return r.made, nil
}

// restoreOptions are what criu is told of the container, but for its cgroup, its root and its namespaces.
func (c *Container) restoreOptions(o *Options, d *directories) (*criu.Options, error) {
	q, err := o.common(c)
	if err != nil {
		return nil, err
	}
	q.LogFile = restoreLog
	q.EvasiveDevices, q.RstSibling = true, true
	root, err := os.OpenFile(c.Rootfs, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	if err := c.makePlaces(root); err != nil {
		return nil, err
	}
	if q.ExternalMounts, err = c.restoreMounts(root); err != nil {
		return nil, err
	}
	descriptors, err := readDescriptors(d.images)
	if err != nil {
		return nil, err
	}
	for fd, key := range descriptors {
		if key != "" {
			q.InheritFDs = append(q.InheritFDs, criu.InheritFD{Key: key, FD: fd})
		}
	}
	return q, nil
}

// A restore is one that goes on.
type restore struct {
	container   *Container
	directories *directories
	at          AtNamespaces
	made        Restored
}

// run starts criu in a mount namespace of its own, where the root file system is a mount point, which criu wants (and that its parent is not covered);
// nothing of that is seen on the host. It asks it when it is in the container's cgroup, where its children begin.
func (r *restore) run(ctx context.Context, command criu.Command, q *criu.Options) error {
	place, err := os.MkdirTemp("", "crisp-restore-")
	if err != nil {
		return err
	}
	defer os.Remove(place)
	q.Root = place
	p, err := r.start(command, q)
	if err != nil {
		return err
	}
	if err = r.enterCgroup(p.Pid, q); err == nil {
		var response criu.Response
		response, err = p.Do(ctx, criu.Request{Type: criu.Restore, Options: q}, func(n criu.Notification) error { return r.notified(ctx, n) })
		if err == nil && response.Pid > 0 {
			r.made.Pid = response.Pid
		}
	}
	if waitErr := p.Wait(); err == nil && waitErr != nil {
		err = fmt.Errorf("criu failed: %w", waitErr)
	}
	return err
}

// start starts criu from a thread that has a mount namespace of its own and ends with it.
func (r *restore) start(command criu.Command, q *criu.Options) (*criu.Process, error) {
	type started struct {
		process *criu.Process
		err     error
	}
	done := make(chan started)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread is of no use to others
		var s started
		if s.err = ownMounts(r.container.Rootfs, q.Root); s.err == nil {
			s.err = r.directories.reopen()
		}
		if s.err == nil {
			q.ImagesFD, q.WorkFD = int(r.directories.images.Fd()), int(r.directories.work.Fd())
			s.process, s.err = criu.Start(command)
		}
		done <- s
	}()
	s := <-done
	return s.process, s.err
}

// ownMounts gives the thread a mount namespace and binds the root file system there.
func ownMounts(rootfs, place string) error {
	if err := unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS); err != nil {
		return os.NewSyscallError("unshare", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_SLAVE|unix.MS_REC, ""); err != nil {
		return &os.PathError{Op: "isolate the mounts of", Path: "/", Err: err}
	}
	if err := unix.Mount(rootfs, place, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return &os.PathError{Op: "bind", Path: rootfs, Err: err}
	}
	return nil
}

// enterCgroup moves criu into the container's cgroup, and has it take that for the root of those that it restores.
func (r *restore) enterCgroup(pid int, q *criu.Options) error {
	if err := r.container.Cgroup.Enter(pid); err != nil {
		return err
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		return err
	}
	q.CgroupRoots = cgroupRoots(string(text))
	return nil
}

// cgroupRoots reads /proc/PID/cgroup, lines "4:cpu,cpuacct:/path"; v2's has no controllers.
func cgroupRoots(text string) []criu.Pair {
	var all []criu.Pair
	for line := range strings.Lines(text) {
		f := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(f) != 3 {
			continue
		}
		for controller := range strings.SplitSeq(f[1], ",") {
			all = append(all, criu.Pair{Key: controller, Value: f[2]})
		}
	}
	return all
}

// notified takes one of criu's notifications.
func (r *restore) notified(ctx context.Context, n criu.Notification) error {
	files := n.Files
	defer func() { closeAll(files) }()
	switch n.Name {
	case criu.SetupNamespaces:
		if r.at != nil {
			return r.at(ctx, n.Pid)
		}
	case criu.PostRestore:
		r.made.Pid = n.Pid
	case criu.OrphanPtsMaster:
		if len(files) == 0 {
			return errors.New("criu sent no terminal")
		}
		if r.made.Console == nil {
			r.made.Console, files = files[0], files[1:]
		}
	}
	return nil
}

// undo ends what was restored by a restore that failed.
func (r *restore) undo() {
	if r.made.Console != nil {
		r.made.Console.Close()
	}
	if r.made.Pid > 0 {
		_ = unix.Kill(r.made.Pid, unix.SIGKILL)
		_, _ = unix.Wait4(r.made.Pid, nil, 0, nil)
	}
}
