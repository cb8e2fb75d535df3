// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"errors"
	"os"

	"crisp/oci/seccomp"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// A Store is a directory of entries. It is safe for concurrent use, also by several processes.
type Store struct {
	// Dir is made when the first entry is put there, in a directory that exists.
	Dir string
}

// Compile returns the program of a profile as it stands in config.json. On a miss parse reads it, and the entry is made; that one cannot be
// made costs the next one time, and is no error. A profile that is null has no program: seccomp.ErrNoProfile.
func (s Store) Compile(raw []byte, parse func(raw []byte) (*specs.LinuxSeccomp, error)) (seccomp.Program, error) {
	k := KeyOf(raw)
	if p, ok := s.Get(k); ok {
		return p, nil
	}
	profile, err := parse(raw)
	if err != nil {
		return seccomp.Program{}, err
	}
	p, err := seccomp.Compile(profile)
	if err != nil {
		return seccomp.Program{}, err
	}
	_ = s.Put(k, p)
	return p, nil
}

// Get returns the program of a key, if it is there and can be trusted.
func (s Store) Get(k Key) (p seccomp.Program, ok bool) {
	dir, err := s.open()
	if err != nil {
		return seccomp.Program{}, false
	}
	defer unix.Close(dir)
	b, err := readOwn(dir, k.name())
	if err != nil {
		return seccomp.Program{}, false
	}
	return decode(k, b)
}

// Put keeps a program. What is there under its key already is replaced.
func (s Store) Put(k Key, p seccomp.Program) error {
	entry := encode(k, p)
	if entry == nil {
		return nil
	}
	dir, err := s.open()
	if errors.Is(err, unix.ENOENT) {
		if err = unix.Mkdir(s.Dir, 0o700); err == nil || errors.Is(err, unix.EEXIST) {
			dir, err = s.open()
		}
	}
	if err != nil {
		return &os.PathError{Op: "open", Path: s.Dir, Err: err}
	}
	f := os.NewFile(uintptr(dir), s.Dir)
	defer f.Close()
	if err := writeOwn(dir, k.name(), entry); err != nil {
		return &os.PathError{Op: "write", Path: s.Dir + "/" + k.name(), Err: err}
	}
	return trim(f)
}

// open opens the directory, if nobody but us can have put anything there.
func (s Store) open() (int, error) {
	fd, err := unix.Open(s.Dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	if _, err := own(fd, unix.S_IFDIR); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// own fails with EPERM unless the file has the type, belongs to us, and nobody else may write to it. It returns the size.
func own(fd int, kind uint32) (int64, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return 0, err
	}
	if st.Mode&unix.S_IFMT != kind || int(st.Uid) != unix.Geteuid() || st.Mode&0o022 != 0 {
		return 0, unix.EPERM
	}
	return st.Size, nil
}
