// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

func mknod(args []string) {
	kind := map[string]uint32{"c": unix.S_IFCHR, "b": unix.S_IFBLK}[args[0]]
	major, _ := strconv.Atoi(args[1])
	minor, _ := strconv.Atoi(args[2])
	path := "/made-" + strings.Join(args, "-")
	err := unix.Mknod(path, kind|0o600, int(unix.Mkdev(uint32(major), uint32(minor))))
	fmt.Printf("mknod: %s\n", words(err))
	if err != nil {
		return
	}
	for _, flags := range []int{unix.O_RDONLY, unix.O_WRONLY} {
		fd, err := unix.Open(path, flags|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		fmt.Printf("open %d: %s\n", flags, words(err))
		if err == nil {
			unix.Close(fd)
		}
	}
}

// cgroups tries what CVE-2022-0492 and the older ways out by release_agent need. Each line is something that was possible.
func cgroups() {
	_ = filepath.WalkDir("/sys/fs/cgroup", func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil
		}
		switch name := d.Name(); name {
		case "release_agent":
			fmt.Println("sees", path)
		case "notify_on_release", "cgroup.procs", "devices.allow", "memory.limit_in_bytes", "memory.max", "cgroup.subtree_control":
			if f, err := os.OpenFile(path, os.O_WRONLY, 0); err == nil {
				f.Close()
				fmt.Println("may write", path)
			}
		}
		return nil
	})
	for _, fs := range []string{"cgroup", "cgroup2"} {
		if err := tryMount(fs, 0); err == nil {
			fmt.Println("may mount", fs)
		}
	}
	again := exec.Cmd{Path: "/proc/self/exe", Args: []string{"attacker", "exit", "0"}, SysProcAttr: &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWUSER | unix.CLONE_NEWCGROUP}}
	if err := again.Run(); err == nil {
		fmt.Println("may make a user namespace") // what then: the kernel wants its capabilities in the first one
	}
}

func tryMount(fs string, flags uintptr) error {
	dir, err := os.MkdirTemp("/", "mnt")
	if err != nil {
		return err
	}
	if err := unix.Mount(fs, dir, fs, flags, "memory"); err != nil {
		return err
	}
	return unix.Unmount(dir, unix.MNT_DETACH)
}

// call makes one system call and prints "RESULT ERRNO".
func call(args []string) {
	var v [7]uintptr
	for i, a := range args[1:] {
		n, err := strconv.ParseUint(a, 0, 64)
		if err != nil {
			os.Exit(64)
		}
		v[i] = uintptr(n)
	}
	time.AfterFunc(time.Second, func() { // the filter has killed the calling thread
		fmt.Println("-1 killed")
		os.Exit(0)
	})
	switch args[0] {
	case "amd64", "x32":
		if args[0] == "x32" {
			v[0] |= 0x40000000
		}
		r, _, e := syscall.RawSyscall6(v[0], v[1], v[2], v[3], v[4], v[5], v[6])
		if e != 0 {
			r = ^uintptr(0)
		}
		fmt.Println(int(r), int(e))
	case "i386":
		r := int(int32(call32(uint32(v[0]), uint32(v[1]), uint32(v[2]), uint32(v[3]))))
		if r < 0 && r > -4096 {
			fmt.Println(-1, -r)
			return
		}
		fmt.Println(r, 0)
	}
}

func describe(keyring int) string {
	s, err := unix.KeyctlString(unix.KEYCTL_DESCRIBE, keyring)
	if err != nil {
		return "error: " + err.Error()
	}
	return s
}

func search(name string) {
	for _, ring := range []int{unix.KEY_SPEC_SESSION_KEYRING, unix.KEY_SPEC_PROCESS_KEYRING, unix.KEY_SPEC_THREAD_KEYRING} {
		id, err := unix.KeyctlSearch(ring, "user", name, 0)
		if err != nil {
			fmt.Println(ring, err)
			continue
		}
		buf := make([]byte, 100)
		n, err := unix.KeyctlBuffer(unix.KEYCTL_READ, id, buf, 0)
		fmt.Println(ring, "found", string(buf[:max(n, 0)]), err)
	}
}

// handle is the "shocker": a file of the host's root by its handle, from any mount of the same file system.
func handle() {
	fd, err := unix.Open("/", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		fmt.Println(err)
		return
	}
	h, _, err := unix.NameToHandleAt(unix.AT_FDCWD, "/", 0)
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = unix.OpenByHandleAt(fd, h, unix.O_RDONLY)
	fmt.Println(err)
}
