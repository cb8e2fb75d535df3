// SPDX-License-Identifier: Apache-2.0

package overlay

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// inPrivateNamespace runs f on a thread that has a mount namespace and a working directory of its own. The thread ends with it.
// What f returns must be detached: everything that it has attached goes with the namespace.
func inPrivateNamespace(f func() (*os.File, error)) (*os.File, error) {
	type result struct {
		file *os.File
		err  error
	}
	done := make(chan result)
	onThrowAwayThread(func() {
		if err := unix.Unshare(unix.CLONE_NEWNS | unix.CLONE_FS); err != nil {
			done <- result{err: fmt.Errorf("unshare mount namespace: %w", err)}
			return
		}
		if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, ""); err != nil {
			done <- result{err: fmt.Errorf("make / a slave: %w", err)}
			return
		}
		file, err := f()
		done <- result{file, err}
	})
	r := <-done
	return r.file, r.err
}

// onThrowAwayThread runs f on a thread that the runtime ends afterwards, because its goroutine ends while locked to it. It is
// never the process's first thread: that one cannot end, and its namespaces are what /proc/self shows.
func onThrowAwayThread(f func()) {
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() != unix.Getpid() {
			f()
			return
		}
		// While this goroutine keeps the first thread busy, the next one runs on another.
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			runtime.LockOSThread()
			f()
		}()
		<-ended
		runtime.UnlockOSThread()
	}()
}

// mountOld goes by mount(2), in a private namespace. All layers must fit into one page of options: the names are the numbers of
// descriptors, seen from /proc/self/fd.
func (m *Mounter) mountOld(s Spec) (*os.File, error) {
	var dir *os.File
	if s.Dir != nil {
		// An open directory belongs to the namespace in which it was opened, and overlayfs takes only what is in the caller's. A clone
		// belongs to nobody until it is attached.
		fd, err := unix.OpenTree(int(s.Dir.Fd()), "", unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_EMPTY_PATH)
		if err != nil {
			return nil, fmt.Errorf("clone %s: %w", s.Dir.Name(), err)
		}
		dir = os.NewFile(uintptr(fd), s.Dir.Name())
		defer dir.Close()
	}
	return inPrivateNamespace(func() (*os.File, error) {
		if err := m.attachAll(s, dir); err != nil {
			return nil, err
		}
		return s.mountAttached(dir)
	})
}

// attachAll gives the writable directory and the mapped layers, which are detached mounts, a place in the namespace.
func (m *Mounter) attachAll(s Spec, dir *os.File) error {
	if dir != nil {
		if err := attach(dir, m.Scratch); err != nil {
			return err
		}
	}
	if s.UserNS == nil {
		return nil
	}
	for _, l := range s.Lower { // over the layer itself, where its path finds it
		f, err := cloneMapped(l, s.UserNS)
		if err != nil {
			return err
		}
		err = attach(f, l)
		f.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

func attach(f *os.File, path string) error {
	if err := unix.MoveMount(int(f.Fd()), "", unix.AT_FDCWD, path, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return fmt.Errorf("attach to %s: %w", path, err)
	}
	return nil
}

// mountAttached mounts what is attached: now paths name it.
func (s *Spec) mountAttached(dir *os.File) (*os.File, error) {
	now := Spec{Lower: s.Lower, Dir: dir}
	layers, err := now.openLayers()
	if err != nil {
		return nil, err
	}
	defer closeAll(layers)
	var names []string
	for _, l := range layers {
		names = append(names, strconv.Itoa(int(l.Fd())))
	}
	options := []string{"lowerdir=" + strings.Join(names, ":")}
	if dir != nil {
		upper, work, err := now.openWritable()
		if err != nil {
			return nil, err
		}
		defer closeAll([]*os.File{upper, work})
		options = append(options, fmt.Sprintf("upperdir=%d,workdir=%d", upper.Fd(), work.Fd()))
	}
	for _, o := range s.options() {
		if strings.Contains(o.value, ",") {
			o.value = strconv.Quote(o.value) // an SELinux context with several categories
		}
		options = append(options, strings.TrimSuffix(o.key+"="+o.value, "="))
	}
	return s.mountText(strings.Join(options, ","))
}

func (s *Spec) mountText(options string) (*os.File, error) {
	if len(options) >= os.Getpagesize() {
		return nil, fmt.Errorf("options of %d bytes, the kernel takes less than a page: %w", len(options), unix.E2BIG)
	}
	target := s.Lower[0]
	if err := unix.Chdir("/proc/self/fd"); err != nil {
		return nil, fmt.Errorf("chdir /proc/self/fd: %w", err)
	}
	flags := uintptr(0)
	if s.Dir == nil {
		flags = unix.MS_RDONLY
	}
	if err := unix.Mount("overlay", target, "overlay", flags, options); err != nil {
		return nil, fmt.Errorf("mount: %w", err)
	}
	fd, err := unix.OpenTree(unix.AT_FDCWD, target, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("clone the mount: %w", err)
	}
	return os.NewFile(uintptr(fd), "overlay"), nil
}
