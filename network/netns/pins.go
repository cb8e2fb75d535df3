// SPDX-License-Identifier: Apache-2.0

package netns

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Pins is the directory of pinned namespaces. Its methods are safe for concurrent use; for one ID the caller calls one at a time.
type Pins struct {
	dir string
}

// OpenPins makes the directory, and a private mount point of it. Pins of an earlier daemon are still there.
func OpenPins(dir string) (*Pins, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if err := makePrivate(dir); err != nil {
		return nil, err
	}
	return &Pins{dir: dir}, nil
}

// Path is where the ID's pin is, whether it exists or not.
func (p *Pins) Path(id string) string { return filepath.Join(p.dir, id) }

// New makes a namespace with lo up and pins it. If the ID has a pin already, that one is used.
func (p *Pins) New(id string) (string, error) {
	path, pinned, err := p.prepare(id)
	if err != nil || pinned {
		return path, err
	}
	err = onThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("new network namespace: %w", err)
		}
		if err := loopbackUp(); err != nil {
			return err
		}
		return bind(own, path)
	})
	if err != nil {
		os.Remove(path)
		return "", err
	}
	return path, nil
}

// Pin pins a namespace that somebody else made, and brings its lo up.
func (p *Pins) Pin(id string, ns *os.File) (string, error) {
	if err := check(ns); err != nil {
		return "", err
	}
	path, pinned, err := p.prepare(id)
	if err != nil {
		return "", err
	}
	if pinned {
		return path, same(path, ns)
	}
	if err := Enter(ns, loopbackUp); err != nil {
		os.Remove(path)
		return "", err
	}
	if err := bind(fmt.Sprintf("/proc/self/fd/%d", ns.Fd()), path); err != nil {
		os.Remove(path)
		return "", err
	}
	return path, nil
}

// prepare makes the empty file that a pin is mounted on, or says that the pin is there.
func (p *Pins) prepare(id string) (path string, pinned bool, err error) {
	if err := CheckID(id); err != nil {
		return "", false, err
	}
	path = p.Path(id)
	f, err := os.OpenFile(path, os.O_RDONLY|os.O_CREATE|os.O_EXCL, 0o444)
	if err == nil {
		return path, false, f.Close()
	}
	if !errors.Is(err, fs.ErrExist) {
		return "", false, err
	}
	ns, err := Open(path)
	if errors.Is(err, ErrNoNamespace) {
		return path, false, nil // a crash came between the file and the mount
	}
	if err != nil {
		return "", false, err
	}
	return path, true, ns.Close()
}

func bind(from, to string) error {
	if err := unix.Mount(from, to, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("pin network namespace at %s: %w", to, err)
	}
	return nil
}

// same verifies that the pin is one of the given namespace: the inode identifies it.
func same(path string, ns *os.File) error {
	var a, b unix.Stat_t
	if err := unix.Stat(path, &a); err != nil {
		return fmt.Errorf("stat %s: %w", path, err)
	}
	if err := unix.Fstat(int(ns.Fd()), &b); err != nil {
		return fmt.Errorf("stat %s: %w", ns.Name(), err)
	}
	if a.Dev != b.Dev || a.Ino != b.Ino {
		return fmt.Errorf("pin network namespace at %s: %w", path, ErrPinned)
	}
	return nil
}

// maxStacked bounds how many mounts on one file Remove takes away.
const maxStacked = 16

// Remove removes the ID's pin. The kernel takes the namespace down later, when nothing uses it any more. No error
// when there is no pin.
//
// A copy of the mount in another mount namespace (a service with PrivateMounts= that was started meanwhile copies all) does not
// keep the file: since Linux 3.18 unlink detaches those (vfs_unlink, detach_mounts). Only a mount in our own mount namespace makes
// it EBUSY, hence the loop. See cri-o#3996 and containerd#3667 for the trouble that propagated pins give.
func (p *Pins) Remove(id string) error {
	if err := CheckID(id); err != nil {
		return err
	}
	path := p.Path(id)
	var err error
	for range maxStacked {
		// EINVAL: nothing is mounted there; ENOENT: no file. Both are what is wanted.
		err = unix.Unmount(path, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW)
		if err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
			return fmt.Errorf("unmount %s: %w", path, err)
		}
		err = os.Remove(path)
		if err == nil || errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if !errors.Is(err, unix.EBUSY) {
			return err
		}
	}
	return err
}

// List gives the IDs that have a pin, or the file of one. Other names are left out: they are not ours.
func (p *Pins) List() ([]string, error) {
	entries, err := os.ReadDir(p.dir)
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, e := range entries {
		if CheckID(e.Name()) == nil {
			ids = append(ids, e.Name())
		}
	}
	return ids, nil
}

// Close takes the private mount point away if no pin is left on it; with pins it stays for the next daemon.
func (p *Pins) Close() error {
	ids, err := p.List()
	if err != nil || len(ids) > 0 {
		return err
	}
	// Without MNT_DETACH: a pin that another daemon of the same directory made meanwhile keeps it.
	err = unix.Unmount(p.dir, unix.UMOUNT_NOFOLLOW)
	if err == nil || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EBUSY) {
		return nil
	}
	return fmt.Errorf("unmount %s: %w", p.dir, err)
}
