// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"errors"
	"fmt"
	"os"

	"crisp/oci/cgroup"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// given are the files that are there already. They stay their owner's.
type given struct {
	rootfs, exec, container *os.File
	pid                     int                  // of container
	status                  specs.ContainerState // of container, for an agent
	mounts                  map[string]*os.File
	namespaces              map[string]*os.File // by their paths
	join                    cgroup.Join
	start, halt             *os.File
	agent, shown, terminal  *os.File
	copyUps                 map[int]*os.File // by the index of the mount
	extra                   []*os.File
}

// openFiles opens the files of the requests, for the registers in their order. What it opens is pushed to the cleanup.
func (r *Runtime) openFiles(requests []FileRequest, g given, undo *cleanup) ([]*os.File, error) {
	maps := idMaps{}
	defer maps.close()
	files := make([]*os.File, len(requests))
	for i := range requests {
		f, own, err := r.openFile(&requests[i], g, maps)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", requests[i].Note, err)
		}
		if own {
			undo.file(f)
		}
		files[i] = f
	}
	return files, nil
}

// openFile opens one file; own says that the caller closes it.
func (r *Runtime) openFile(q *FileRequest, g given, maps idMaps) (f *os.File, own bool, err error) {
	switch q.Kind {
	case FileRootfs:
		f = g.rootfs
	case FileExec:
		f = g.exec
	case FileContainer:
		f = g.container
	case FileCgroup:
		f = g.join.Dir
	case FileCgroupTasks:
		f = g.join.Tasks[q.Index]
	case FileProcfs:
		if f, err = r.proc.open(); err != nil {
			return nil, false, err
		}
	case FileStart:
		f = g.start
	case FileExtra:
		f = g.extra[q.Index]
	case FileCopyUp:
		f = g.copyUps[q.Index]
	case FileHalt:
		f = g.halt
	case FileAgent:
		f = g.agent
	case FileTerminal:
		f = g.terminal
	case FileShown:
		f = g.shown
	case FileContainerNamespace:
		f, err = openOfContainer("ns/"+containerNamespaceFiles.get(q.Namespace), unix.O_RDONLY, g)
		return f, true, err
	case FileContainerRoot:
		f, err = openOfContainer("root", unix.O_PATH|unix.O_DIRECTORY, g)
		return f, true, err
	case FileResctrl:
		f, err = r.openResctrl(q.Path)
		return f, true, err
	case FileNamespace:
		f = g.namespaces[q.Path]
	case FileUserNamespace:
		f, err = newUserNamespace(q.IDMap, true)
		return f, true, err
	case FileTree:
		f, err = openTree(unix.AT_FDCWD, q.Path, q, maps)
		return f, true, err
	case FileMount:
		f, err = copyMount(g.mounts[q.Path], q, maps)
		return f, true, err
	}
	if f == nil {
		return nil, false, os.ErrInvalid
	}
	return f, false, nil
}

// openNamespaces opens what a plan joins by a path.
func (r *Runtime) openNamespaces(requests []FileRequest, opened *cleanup) (map[string]*os.File, error) {
	var all map[string]*os.File
	for i := range requests {
		q := &requests[i]
		if q.Kind != FileNamespace {
			continue
		}
		f, err := r.openNamespace(q)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", q.Note, err)
		}
		opened.file(f)
		if all == nil {
			all = map[string]*os.File{}
		}
		all[q.Path] = f
	}
	return all, nil
}

// openNamespace opens a namespace and makes sure of its type (ioctl_nsfs(2)).
func (r *Runtime) openNamespace(q *FileRequest) (*os.File, error) {
	f, err := os.Open(q.Path)
	if err != nil {
		return nil, err
	}
	flag, err := unix.IoctlRetInt(int(f.Fd()), unix.NS_GET_NSTYPE)
	if err != nil || uint64(flag) != q.Namespace {
		f.Close()
		return nil, fmt.Errorf("%s: %w: not of this type", q.Path, ErrWrongNamespace)
	}
	if !q.NotHost {
		return f, nil
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil || r.isHosts(&st) {
		f.Close()
		return nil, fmt.Errorf("%s: %w: a sysctl would change the host's", q.Path, ErrWrongNamespace)
	}
	return f, nil
}

// openOfContainer opens a file of /proc/PID of the container's first process, which is known to be that process still.
func openOfContainer(name string, flags int, g given) (*os.File, error) {
	f, err := os.OpenFile("/proc/"+itoa(g.pid)+"/"+name, flags|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	if err := unix.PidfdSendSignal(int(g.container.Fd()), 0, nil, 0); err != nil { // the pid may be another's by now
		f.Close()
		return nil, err
	}
	return f, nil
}

// openTree makes a detached copy of the mount at a path, or of the one that dir stands on when path is empty, with the owners and
// attributes asked for.
func openTree(dir int, path string, q *FileRequest, maps idMaps) (*os.File, error) {
	flags := uint(unix.OPEN_TREE_CLONE | unix.OPEN_TREE_CLOEXEC)
	if path == "" {
		flags |= unix.AT_EMPTY_PATH
	}
	if q.Recursive {
		flags |= unix.AT_RECURSIVE
	}
	if q.NoFollow {
		flags |= unix.AT_SYMLINK_NOFOLLOW
	}
	fd, err := unix.OpenTree(dir, path, flags)
	if err != nil {
		return nil, &os.PathError{Op: "open_tree", Path: q.Path, Err: err}
	}
	f := os.NewFile(uintptr(fd), q.Path)
	if err := prepareTree(f, q, maps); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// copyMount is openTree for a detached mount. Before Linux 6.15 such a one cannot be copied, so that it is used itself, once.
func copyMount(mount *os.File, q *FileRequest, maps idMaps) (*os.File, error) {
	f, err := openTree(int(mount.Fd()), "", q, maps)
	if !errors.Is(err, unix.EINVAL) {
		return f, err
	}
	fd, err := unix.FcntlInt(mount.Fd(), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil, err
	}
	f = os.NewFile(uintptr(fd), q.Path)
	if err := prepareTree(f, q, maps); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func prepareTree(f *os.File, q *FileRequest, maps idMaps) error {
	if q.IDMap != nil {
		if err := maps.apply(f, q.IDMap); err != nil {
			return err
		}
	}
	before, err := mountFlagsOf(f, q.Locked)
	if err != nil {
		return err
	}
	if q.Later && !q.Locked {
		return nil
	}
	if q.Later {
		return q.checkLocks(before, predict(before, q.Attributes))
	}
	for _, at := range q.Attributes {
		attr := unix.MountAttr{Attr_set: at.Set, Attr_clr: at.Clear, Propagation: at.Propagation}
		if err := unix.MountSetattr(int(f.Fd()), "", uint(at.flags()|unix.AT_EMPTY_PATH), &attr); err != nil {
			return &os.PathError{Op: "mount_setattr", Path: q.Path, Err: err}
		}
	}
	after, err := mountFlagsOf(f, q.Locked)
	if err != nil {
		return err
	}
	return q.checkLocks(before, after)
}

// checkLocks refuses the change of a flag that the user namespace of the mount may not change (can_change_locked_flags in the kernel).
func (q *FileRequest) checkLocks(before, after int64) error {
	const times = unix.ST_NOATIME | unix.ST_NODIRATIME | unix.ST_RELATIME
	const locks = unix.ST_RDONLY | unix.ST_NOSUID | unix.ST_NODEV | unix.ST_NOEXEC
	if before&^after&locks != 0 || (before^after)&times != 0 {
		return fmt.Errorf("%s: a flag of the source would go, which a user namespace may not take off: %w", q.Path, unix.EPERM)
	}
	return nil
}

// mountFlagsOf are the flags of a mount as statfs(2) has them, which cannot be told apart from those of its file system: but those do not
// change.
func mountFlagsOf(f *os.File, wanted bool) (int64, error) {
	if !wanted {
		return 0, nil
	}
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(f.Fd()), &st); err != nil {
		return 0, &os.PathError{Op: "fstatfs", Path: f.Name(), Err: err}
	}
	return int64(st.Flags), nil
}
