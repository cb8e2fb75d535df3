// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"

	"crisp/conmon/plan"
	"crisp/oci/copyup"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// copyUpLimits bound what the option tmpcopyup copies into one tmpfs: its memory is ours until the container is made.
var copyUpLimits = copyup.Limits{Entries: 1 << 20, Bytes: 1 << 30}

// A copyUp fills a tmpfs with what it is to cover, when the mounts before it are made.
//
//	the process                              us
//	  | SEND_FD what is covered ───────────▶ |
//	  | SEND_FD the tmpfs, yet unattached ─▶ | copyup.Tree
//	  | ◀────────────────────── end of file  | on an error: SIGKILL
type copyUp struct {
	ours, theirs *os.File
	destination  string
	ids          fileIDs
	done         chan struct{} // closed when err is there
	err          error
}

// fileIDs are whom files are made as: a file system of a user namespace takes nothing from somebody whom that does not know.
type fileIDs struct{ uid, gid int }

func newCopyUp(ctx context.Context, destination string, ids fileIDs) (*copyUp, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socketpair", err)
	}
	c := &copyUp{
		ours: os.NewFile(uintptr(fds[0]), "copy-up"), theirs: os.NewFile(uintptr(fds[1]), "copy-up"), destination: destination, ids: ids,
		done: make(chan struct{}),
	}
	if err := unix.SetsockoptInt(fds[0], unix.SOL_SOCKET, unix.SO_PASSCRED, 1); err != nil {
		c.ours.Close()
		c.theirs.Close()
		return nil, os.NewSyscallError("setsockopt SO_PASSCRED", err)
	}
	go func() {
		defer close(c.done)
		c.err = c.serve(ctx, fds[0])
	}()
	return c, nil
}

// serve waits for the two directories, which need not come: the process may fail before.
func (c *copyUp) serve(ctx context.Context, fd int) error {
	source, pid, err := receiveFile(fd)
	if err != nil || source == nil {
		return err
	}
	defer source.Close()
	target, _, err := receiveFile(fd)
	if err == nil && target != nil {
		defer target.Close()
		err = c.copy(source, target)
	}
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		_ = unix.Kill(pid, unix.SIGKILL) // it waits for us
		return fmt.Errorf("mount %s: tmpcopyup: %w", c.destination, err)
	}
	return os.NewSyscallError("shutdown", unix.Shutdown(fd, unix.SHUT_WR))
}

// copy runs in a thread of its own when that is to be somebody else, and the thread ends with it.
func (c *copyUp) copy(source, target *os.File) error {
	if c.ids == (fileIDs{}) {
		return copyup.Tree(source, target, copyUpLimits)
	}
	result := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked
		err := c.ids.become()
		if err == nil {
			err = copyup.Tree(source, target, copyUpLimits)
		}
		result <- err
	}()
	return <-result
}

// become makes this thread make files as somebody else, with the rights that it had.
func (f fileIDs) become() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return os.NewSyscallError("capget", err)
	}
	_, err1 := unix.SetfsgidRetGid(f.gid)
	_, err2 := unix.SetfsuidRetUid(f.uid) // takes capabilities about files away
	if err := errors.Join(err1, err2); err != nil {
		return os.NewSyscallError("setfsuid", err)
	}
	return os.NewSyscallError("capset", unix.Capset(&header, &data[0]))
}

// receiveFile takes one message of SEND_FD, and the sender's pid; no file when there is no sender any more.
func receiveFile(fd int) (*os.File, int, error) {
	var b [64]byte
	oob := make([]byte, unix.CmsgSpace(unix.SizeofUcred)+unix.CmsgSpace(4))
	for {
		n, oobn, _, _, err := unix.Recvmsg(fd, b[:], oob, unix.MSG_CMSG_CLOEXEC)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.ECONNRESET), err == nil && n == 0:
			return nil, 0, nil
		case err != nil:
			return nil, 0, os.NewSyscallError("recvmsg", err)
		}
		return sentFile(oob[:oobn])
	}
}

func sentFile(oob []byte) (*os.File, int, error) {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, 0, fmt.Errorf("file of the process: %w", err)
	}
	var f *os.File
	pid := 0
	for i := range messages {
		if c, err := unix.ParseUnixCredentials(&messages[i]); err == nil {
			pid = int(c.Pid)
		}
		fds, err := unix.ParseUnixRights(&messages[i])
		for _, fd := range fds {
			if err == nil && f == nil {
				f = os.NewFile(uintptr(fd), "directory")
			} else {
				unix.Close(fd)
			}
		}
	}
	if f == nil || pid <= 0 {
		if f != nil {
			f.Close()
		}
		return nil, 0, fmt.Errorf("file of the process: %w", unix.EBADMSG)
	}
	return f, pid, nil
}

// finish waits until all is copied, or will never be, and returns the error.
func (c *copyUp) finish() error {
	c.theirs.Close()
	<-c.done
	c.ours.Close()
	return c.err
}

// requestCopyUps requests the sockets for the mounts that have the option.
func (a *assembly) requestCopyUps() {
	for i := range a.mounts {
		if m := &a.mounts[i]; m.options.copyUp {
			m.copyUp = a.file(FileRequest{Kind: FileCopyUp, Path: m.destination, Index: i, IDs: a.rootIDs(), Note: "what copies up into " + m.destination})
		}
	}
}

// rootIDs are the host's for root of the container's user namespace.
func (a *assembly) rootIDs() fileIDs {
	if !a.userns {
		return fileIDs{}
	}
	return fileIDs{hostID(a.spec.Linux.UIDMappings), hostID(a.spec.Linux.GIDMappings)}
}

// hostID is the host's ID of the container's 0.
func hostID(mappings []specs.LinuxIDMapping) int {
	for _, m := range mappings {
		if m.ContainerID == 0 {
			return int(m.HostID)
		}
	}
	return 0
}

// fill has a new file system filled with what it will cover.
func (a *assembly) fill(m *mount, fs, target plan.Reg) {
	a.about("copy what is below %s into its tmpfs", m.destination)
	for _, r := range []plan.Reg{target, fs} {
		s := a.step(plan.OpSendFd)
		s.FD, s.FD2 = r, m.copyUp
	}
	a.step(plan.OpWaitFd).FD = m.copyUp
	a.close(m.copyUp)
	a.about("mount %s", m.destination)
}

// copyUps are those of one plan.
type copyUps []*copyUp

// startCopyUps makes ready what the plan asks for.
func startCopyUps(ctx context.Context, compiled *Compiled, g *given) (copyUps, error) {
	var all copyUps
	for i := range compiled.Files {
		q := &compiled.Files[i]
		if q.Kind != FileCopyUp {
			continue
		}
		c, err := newCopyUp(ctx, q.Path, q.IDs)
		if err != nil {
			return all, err
		}
		if g.copyUps == nil {
			g.copyUps = map[int]*os.File{}
		}
		g.copyUps[q.Index] = c.theirs
		all = append(all, c)
	}
	return all, nil
}

func (all copyUps) finish() error {
	var errs []error
	for _, c := range all {
		errs = append(errs, c.finish())
	}
	return errors.Join(errs...)
}
