// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"

	"crisp/test/security/internal/report"

	"golang.org/x/sys/unix"
)

// descriptors lists what is open, by bare system calls: package os would open an epoll descriptor.
func descriptors() map[int]string {
	fds := map[int]string{}
	buf := make([]byte, 4096)
	for fd := range 4096 {
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil {
			continue
		}
		fds[fd] = "?"
		if n, err := unix.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd), buf); err == nil {
			fds[fd] = string(buf[:n])
		}
	}
	return fds
}

func look(fds map[int]string, paths []string) report.Report {
	r := report.Report{FDs: fds, Args: os.Args, Env: os.Environ(), Status: map[string]string{}, Pid: os.Getpid(), Paths: map[string]report.Path{}}
	buf := make([]byte, 4096)
	n, err := unix.Getcwd(buf)
	r.CwdError = words(err)
	if err == nil {
		r.Cwd = strings.TrimRight(string(buf[:n]), "\x00")
	}
	const above = "../../../../../../../../../../etc/passwd"
	if st, err := os.Stat(above); err == nil && st.Mode().IsRegular() {
		r.Above = text(above)
	}
	r.Exe, _ = os.Readlink("/proc/self/exe")
	for l := range strings.Lines(text("/proc/self/status")) {
		if k, v, ok := strings.Cut(l, ":"); ok {
			r.Status[k] = strings.TrimSpace(v)
		}
	}
	r.Mounts = strings.Split(strings.TrimSpace(text("/proc/self/mountinfo")), "\n")
	r.Stdin = stdin()
	r.Keyring = describe(unix.KEY_SPEC_SESSION_KEYRING)
	tty, err := unix.Open("/dev/tty", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	r.Tty = words(err)
	if err == nil {
		unix.Close(tty)
	}
	r.Umask = unix.Umask(0)
	unix.Umask(r.Umask)
	for _, p := range paths {
		r.Paths[p] = lookAt(p)
	}
	return r
}

func stdin() report.Path {
	var st unix.Stat_t
	var fs unix.Statfs_t
	if err := unix.Fstat(0, &st); err != nil {
		return report.Path{Error: err.Error()}
	}
	_ = unix.Fstatfs(0, &fs)
	return report.Path{Mode: fmt.Sprintf("%o", st.Mode), Rdev: number(st.Rdev), Magic: int64(fs.Type)}
}

func number(dev uint64) string { return fmt.Sprintf("%d:%d", unix.Major(dev), unix.Minor(dev)) }

func lookAt(path string) report.Path {
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return report.Path{Error: err.Error()}
	}
	p := report.Path{Mode: fmt.Sprintf("%o", st.Mode)}
	if unix.Stat(path, &st) == nil {
		p.Rdev = number(st.Rdev)
	}
	var fs unix.Statfs_t
	if unix.Statfs(path, &fs) == nil {
		p.Magic = int64(fs.Type)
	}
	var x unix.Statx_t
	if unix.Statx(unix.AT_FDCWD, path, 0, unix.STATX_MNT_ID, &x) == nil {
		p.Mount = x.Mnt_id
	}
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		p.Write = words(makeFile(path))
		return p
	}
	f, err := os.OpenFile(path, os.O_WRONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	p.Write = words(err)
	if err == nil {
		f.Close()
	}
	if kind := st.Mode & unix.S_IFMT; kind == unix.S_IFREG || p.Rdev == "1:3" {
		p.Read = text(path)
	}
	return p
}

// makeFile tries whether a directory can be written to.
func makeFile(dir string) error {
	f, err := os.CreateTemp(dir, "attacker")
	if err != nil {
		return err
	}
	f.Close()
	return os.Remove(f.Name())
}

// text is the beginning of a file.
func text(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	b, _ := io.ReadAll(io.LimitReader(f, 1<<16))
	return string(b)
}

func write(path, value string) string {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return "open: " + err.Error()
	}
	defer f.Close()
	if _, err := f.WriteString(value); err != nil {
		return "write: " + err.Error()
	}
	return "written"
}

func hook(fds map[int]string, path string) {
	r := look(fds, nil)
	state, _ := io.ReadAll(io.LimitReader(os.Stdin, 1<<16))
	r.State = string(state)
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	defer f.Close()
	if err := json.NewEncoder(f).Encode(r); err != nil {
		os.Exit(1)
	}
}

func connect(path string) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		err = unix.Connect(fd, &unix.SockaddrUnix{Name: path})
	}
	if err == syscall.EPROTOTYPE {
		if fd, err = unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0); err == nil {
			err = unix.Connect(fd, &unix.SockaddrUnix{Name: path})
		}
	}
	fmt.Println(err)
}
