// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"

	"crisp/conmon"
	"crisp/conmon/plan"
	"crisp/oci/copyup"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// copyUpLimits bound what the option tmpcopyup copies into one tmpfs: its memory is ours until the container is made.
var copyUpLimits = copyup.Limits{Entries: 1 << 20, Bytes: 1 << 30}

// A copyUp fills a tmpfs with what it is to cover, when the mounts before it are made. The process halts with two files: what is covered, and
// the tmpfs, yet unattached.
type copyUp struct {
	destination string
	ids         fileIDs
}

// fileIDs are whom files are made as: a file system of a user namespace takes nothing from somebody whom that does not know.
type fileIDs struct{ uid, gid int }

// serve takes the two directories and copies.
func (c copyUp) serve(ctx context.Context, h *conmon.Halt, first conmon.Halted) error {
	if first.File == nil {
		return conmon.ErrProtocol
	}
	defer first.File.Close()
	second, err := h.Receive()
	if err == nil && second.File == nil {
		err = conmon.ErrProtocol
	}
	if err == nil {
		defer second.File.Close()
		err = c.copy(first.File, second.File)
	}
	if err = cmp.Or(err, ctx.Err()); err != nil {
		return fmt.Errorf("mount %s: tmpcopyup: %w", c.destination, err)
	}
	return nil
}

// copy runs in a thread of its own when that is to be somebody else, and the thread ends with it.
func (c copyUp) copy(source, target *os.File) error {
	if c.ids == (fileIDs{}) {
		return copyup.Tree(source, target, copyUpLimits)
	}
	return onOwnThread(func() error {
		if err := c.ids.become(); err != nil {
			return err
		}
		return copyup.Tree(source, target, copyUpLimits)
	})
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
	uid, _ := hostID(a.spec.Linux.UIDMappings, 0)
	gid, _ := hostID(a.spec.Linux.GIDMappings, 0)
	return fileIDs{int(uid), int(gid)}
}

// hostID is the host's ID of one of the container's, if it is mapped.
func hostID(mappings []specs.LinuxIDMapping, id uint32) (uint32, bool) {
	for _, m := range mappings {
		if id >= m.ContainerID && id-m.ContainerID < m.Size {
			return m.HostID + (id - m.ContainerID), true
		}
	}
	return 0, false
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

// copyUps are where the process of one plan halts for it.
type copyUps []*conmon.Halt

// startCopyUps makes ready what the plan asks for.
func startCopyUps(ctx context.Context, compiled *Compiled, g *given) (copyUps, error) {
	var all copyUps
	for i := range compiled.Files {
		q := &compiled.Files[i]
		if q.Kind != FileCopyUp {
			continue
		}
		h, err := conmon.NewHalt()
		if err != nil {
			return all, err
		}
		c := copyUp{q.Path, q.IDs}
		h.Serve(func(first conmon.Halted) error { return c.serve(ctx, h, first) })
		if g.copyUps == nil {
			g.copyUps = map[int]*os.File{}
		}
		g.copyUps[q.Index] = h.Child
		all = append(all, h)
	}
	return all, nil
}

func (all copyUps) finish() error {
	var errs []error
	for _, h := range all {
		errs = append(errs, h.Finish())
	}
	return errors.Join(errs...)
}
