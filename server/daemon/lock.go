// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// lockName is the lock file's name in each directory.
const lockName = "crisp.lock"

// ErrInUse: another daemon has the directory or answers on the socket.
var ErrInUse = errors.New("in use by another daemon")

// Locks are held until Close or the end of the process.
type Locks struct{ files []*os.File }

// Acquire locks the directories for this process, or fails with ErrInUse when another daemon has one of them. The
// directories must exist.
func Acquire(dirs ...string) (*Locks, error) {
	l := &Locks{}
	for _, dir := range dirs {
		f, err := lock(filepath.Join(dir, lockName))
		if err != nil {
			l.Close()
			return nil, err
		}
		l.files = append(l.files, f)
	}
	return l, nil
}

// lock opens and locks one file and writes the process's ID into it, for people who wonder who has it.
func lock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) // close-on-exec: no child keeps the lock
	if err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}
	if err := take(f); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	if err := f.Truncate(0); err == nil {
		fmt.Fprintln(f, os.Getpid())
	}
	return f, nil
}

// Patience with the children of a killed daemon: one that was between fork and exec still has the lock's descriptor, until its
// exec closes it, or until it sees that nobody is left.
const (
	patience = 2 * time.Second
	interval = 2 * time.Millisecond
)

// take locks the file. A daemon that runs has it for good; one that has been killed may leave it for a moment.
func take(f *os.File) error {
	for deadline := time.Now().Add(patience); ; time.Sleep(interval) {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return err
		}
		pid := holder(f)
		if pid == 0 {
			return ErrInUse
		}
		if runs(pid) || time.Now().After(deadline) {
			return fmt.Errorf("%w (pid %d)", ErrInUse, pid)
		}
	}
}

// holder is the process that wrote itself into the lock file, 0: none has yet.
func holder(f *os.File) int {
	buf := make([]byte, 16)
	n, _ := f.ReadAt(buf, 0)
	pid, _ := strconv.Atoi(strings.TrimSpace(string(buf[:n])))
	return max(pid, 0)
}

func runs(pid int) bool { return !errors.Is(unix.Kill(pid, 0), unix.ESRCH) }

// Close gives the directories up.
func (l *Locks) Close() error {
	var errs []error
	for _, f := range l.files {
		errs = append(errs, f.Close())
	}
	l.files = nil
	return errors.Join(errs...)
}
