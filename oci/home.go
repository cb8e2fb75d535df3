// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"bufio"
	"errors"
	"io"
	"io/fs"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// maxPasswd is how much of /etc/passwd is read, in bytes: the file is the image's (CVE-2025-4437).
const maxPasswd = 10 << 20

// defaultHome is the HOME of a user whom /etc/passwd does not know.
const defaultHome = "/"

// wantsHome says whether the process is to be told its home directory, as runc does it: when it has an environment where the last HOME, which
// counts, is empty or missing.
func wantsHome(p *specs.Process) bool {
	if p == nil || p.Env == nil {
		return false
	}
	for _, v := range slices.Backward(p.Env) {
		if value, ok := strings.CutPrefix(v, "HOME="); ok {
			return value == ""
		}
	}
	return true
}

// environment is what a process gets: of several values for a name the last one, and with home a HOME where none is given. The runtime spec
// leaves both open; runc does so (libcontainer/env.go).
func environment(env []string, home string) []string {
	out := make([]string, 0, len(env)+1)
	seen := make(map[string]bool, len(env))
	wants := false
	for _, v := range slices.Backward(env) {
		name, value, _ := strings.Cut(v, "=")
		if seen[name] {
			continue
		}
		seen[name] = true
		if name == "HOME" && value == "" && home != "" {
			wants = true
			continue
		}
		out = append(out, v)
	}
	slices.Reverse(out)
	if home != "" && (wants || !seen["HOME"]) {
		out = append(out, "HOME="+home)
	}
	return out
}

// homeOf reads the home directory of a user from a passwd(5) file; "" when it does not say.
//
//	name:password:UID:GID:comment:home:shell
func homeOf(passwd io.Reader, uid uint32) string {
	r := bufio.NewReader(io.LimitReader(passwd, maxPasswd))
	for {
		line, err := r.ReadString('\n')
		fields := strings.Split(strings.TrimSuffix(line, "\n"), ":")
		if len(fields) >= 6 {
			if n, bad := strconv.ParseUint(fields[2], 10, 32); bad == nil && n != math.MaxUint32 && uint32(n) == uid {
				return strings.ReplaceAll(fields[5], "\x00", "")
			}
		}
		if err != nil {
			return ""
		}
	}
}

// home finds a user's home directory by the file /etc/passwd below a directory.
func home(root *os.File, path string, uid uint32) string {
	f, err := openRegular(root, path)
	if err != nil {
		return defaultHome
	}
	defer f.Close()
	if h := homeOf(f, uid); h != "" {
		return h
	}
	return defaultHome
}

// openRegular opens a regular file below a directory as a process chrooted there would. A FIFO is opened for no writer to be waited for,
// and refused.
func openRegular(root *os.File, path string) (*os.File, error) {
	how := unix.OpenHow{
		Flags: unix.O_RDONLY | unix.O_CLOEXEC | unix.O_NONBLOCK | unix.O_NOCTTY, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	}
	fd, err := unix.Openat2(int(root.Fd()), path, &how)
	if err != nil {
		return nil, &os.PathError{Op: "openat2", Path: path, Err: err}
	}
	f := os.NewFile(uintptr(fd), path)
	st, err := f.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = &os.PathError{Op: "open", Path: path, Err: errors.Join(fs.ErrInvalid, errors.New("not a regular file"))}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
