// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"errors"
	"os"
	"sort"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// MaxEntries bounds a store. A node has a handful of profiles.
const MaxEntries = 64

// asidePrefix begins the names of files that are being written.
const asidePrefix = "."

// asideAge is how long a file may be written aside before it counts as left behind by a process that was killed.
const asideAge = time.Minute

// readOwn reads an entry that only we can have written. A FIFO in its place is not waited for.
func readOwn(dir int, name string) ([]byte, error) {
	fd, err := unix.Openat(dir, name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	size, err := own(fd, unix.S_IFREG)
	if err != nil {
		return nil, err
	}
	if size > maxEntry {
		return nil, unix.EFBIG
	}
	b := make([]byte, size)
	n, err := unix.Read(fd, b) // in one piece, as it was written; else the hash tells
	if err != nil {
		return nil, err
	}
	return b[:n], nil
}

// writeOwn writes an entry aside and renames it. It is not synced: after a crash the hash tells.
func writeOwn(dir int, name string, b []byte) error {
	aside := asidePrefix + strconv.Itoa(os.Getpid()) + "." + strconv.FormatInt(time.Now().UnixNano(), 36)
	fd, err := unix.Openat(dir, aside, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	n, err := unix.Write(fd, b)
	if err == nil && n < len(b) {
		err = unix.ENOSPC
	}
	if err = errors.Join(err, unix.Close(fd)); err == nil {
		err = unix.Renameat(dir, aside, dir, name)
	}
	if err != nil {
		_ = unix.Unlinkat(dir, aside, 0)
	}
	return err
}

// trim removes the oldest entries that are too many, and files that were left aside.
func trim(dir *os.File) error {
	names, err := dir.Readdirnames(-1)
	if err != nil || len(names) <= MaxEntries {
		return err
	}
	fd := int(dir.Fd())
	written := make(map[string]time.Time, len(names))
	for _, name := range names {
		var st unix.Stat_t
		if unix.Fstatat(fd, name, &st, unix.AT_SYMLINK_NOFOLLOW) == nil { // else somebody else has removed it
			written[name] = time.Unix(st.Mtim.Unix())
		}
	}
	entries := names[:0]
	for name, at := range written {
		if !strings.HasPrefix(name, asidePrefix) {
			entries = append(entries, name)
		} else if time.Since(at) > asideAge {
			_ = unix.Unlinkat(fd, name, 0)
		}
	}
	sort.Slice(entries, func(i, j int) bool { return written[entries[i]].Before(written[entries[j]]) })
	for _, name := range entries[:max(0, len(entries)-MaxEntries)] {
		_ = unix.Unlinkat(fd, name, 0)
	}
	return nil
}
