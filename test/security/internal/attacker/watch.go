// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"unsafe"

	"crisp/test/security/internal/report"

	"golang.org/x/sys/unix"
)

// watch looks at every other process, round by round. The number of rounds stands in a file that the test maps too, so that it can
// hold a process until it was looked at.
func watch(path string) {
	runtime.LockOSThread() // for trace
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	shared, err := unix.Mmap(int(f.Fd()), 0, 8, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	_ = binary.NativeEndian.Uint64(shared) // it is 8 bytes
	rounds := (*atomic.Uint64)(unsafe.Pointer(&shared[0]))
	seen := map[report.Sighting]bool{}
	end := terminated()
	fmt.Println("ready")
	for {
		others, _ := filepath.Glob("/proc/[0-9]*")
		for _, dir := range others {
			if pid, _ := strconv.Atoi(filepath.Base(dir)); pid != os.Getpid() {
				inspect(dir, pid, seen)
			}
		}
		rounds.Add(1)
		select {
		case <-end:
			emit(slices.Collect(maps.Keys(seen)))
			return
		default:
		}
	}
}

// inspect tries everything that would give a process of the host away.
func inspect(dir string, pid int, seen map[report.Sighting]bool) {
	if exe, err := os.Readlink(dir + "/exe"); err == nil && !attacker(exe) {
		seen[report.Sighting{What: "exe", Is: exe}] = true
		for _, flags := range []int{os.O_RDWR, os.O_RDONLY} {
			if f, err := os.OpenFile(dir+"/exe", flags, 0); err == nil {
				seen[report.Sighting{What: fmt.Sprintf("open exe %d", flags), Is: exe}] = true
				f.Close()
			}
		}
	}
	for _, link := range []string{"cwd", "root"} {
		if b, err := os.ReadFile(dir + "/" + link + "/etc/passwd"); err == nil {
			seen[report.Sighting{What: link, Is: string(b)}] = true
		}
	}
	if env, err := os.ReadFile(dir + "/environ"); err == nil && strings.Contains(string(env), "SECRET=") {
		seen[report.Sighting{What: "environ", Is: string(env)}] = true
	}
	if _, err := os.Readlink(dir + "/exe"); !errors.Is(err, fs.ErrPermission) {
		return // one of the container's own, or about to be gone
	}
	if trace(pid) {
		seen[report.Sighting{What: "trace", Is: "a process that hides its program"}] = true
	}
	fds, _ := os.ReadDir(dir + "/fd") // their numbers are no secret to the same user
	for _, fd := range fds {
		target, err := os.Readlink(dir + "/fd/" + fd.Name())
		if _, again := os.Readlink(dir + "/exe"); err == nil && errors.Is(again, fs.ErrPermission) {
			seen[report.Sighting{What: "fd", Is: target}] = true
		}
	}
}

// trace attaches to a process and lets it go again. It wants to stay on one thread. One that has executed the attacker meanwhile does not
// count.
func trace(pid int) bool {
	if err := unix.PtraceSeize(pid); err != nil {
		return false
	}
	_ = unix.PtraceInterrupt(pid)
	_, _ = unix.Wait4(pid, nil, unix.WALL, nil)
	exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	_ = unix.PtraceDetach(pid)
	return errors.Is(err, fs.ErrPermission) || err == nil && !attacker(exe)
}

// attacker says whether a program is this one, by its path in whatever root it runs.
func attacker(exe string) bool { return filepath.Base(exe) == "attacker" }

// overwrite tries to write to the program of every process, this one's own apart.
func overwrite() {
	var own unix.Stat_t
	_ = unix.Stat("/proc/self/root/attacker", &own)
	end := terminated()
	fmt.Println("ready")
	written := map[string]bool{}
	for {
		others, _ := filepath.Glob("/proc/[0-9]*/exe")
		for _, exe := range others {
			if name, did := spoil(exe, own); did {
				written[name] = true
			}
		}
		select {
		case <-end:
			emit(slices.Collect(maps.Keys(written)))
			return
		default:
		}
	}
}

// spoil holds the program open until nobody executes it any more, then writes to it (the exploit of CVE-2019-5736).
func spoil(exe string, own unix.Stat_t) (string, bool) {
	fd, err := unix.Open(exe, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", false
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || (st.Dev == own.Dev && st.Ino == own.Ino) {
		return "", false
	}
	name, _ := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
	for range 2000 {
		w, err := unix.Open(fmt.Sprintf("/proc/self/fd/%d", fd), unix.O_WRONLY|unix.O_APPEND|unix.O_CLOEXEC, 0)
		if err == nil {
			_, err = unix.Write(w, []byte("spoilt"))
			unix.Close(w)
			return name, err == nil
		}
		if err != unix.ETXTBSY {
			return name, false
		}
	}
	return name, false
}

func swap(a, b string) {
	end := terminated()
	fmt.Println("ready")
	for {
		_ = unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE)
		select {
		case <-end:
			return
		default:
		}
	}
}
