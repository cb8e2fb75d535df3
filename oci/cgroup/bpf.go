// SPDX-License-Identifier: Apache-2.0

package cgroup

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// bpf is bpf(2). Loading may be interrupted by a signal, like the Go scheduler's, and then says EAGAIN (since Linux 4.20).
func bpf(cmd uintptr, attr unsafe.Pointer, size uintptr) (int, error) {
	const attempts = 32
	for i := 0; ; i++ {
		r, _, errno := unix.Syscall(unix.SYS_BPF, cmd, uintptr(attr), size)
		if errno == 0 {
			return int(r), nil
		}
		if errno != unix.EINTR && (errno != unix.EAGAIN || i == attempts) {
			return -1, errno
		}
	}
}

// loadFilter loads a BPF_PROG_TYPE_CGROUP_DEVICE program. When the verifier refuses it, its words are in the error.
func loadFilter(program []instruction) (fd int, err error) {
	var pinner runtime.Pinner
	defer pinner.Unpin()
	license := append([]byte("Apache-2.0"), 0)
	log := make([]byte, 1<<16)
	pinner.Pin(&program[0])
	pinner.Pin(&license[0])
	pinner.Pin(&log[0])
	attr := struct {
		progType, count       uint32
		instructions, license uint64
		logLevel, logSize     uint32
		logBuf                uint64
	}{
		progType: unix.BPF_PROG_TYPE_CGROUP_DEVICE, count: uint32(len(program)),
		instructions: uint64(uintptr(unsafe.Pointer(&program[0]))), license: uint64(uintptr(unsafe.Pointer(&license[0]))),
	}
	fd, err = bpf(unix.BPF_PROG_LOAD, unsafe.Pointer(&attr), unsafe.Sizeof(attr))
	if err == nil || errors.Is(err, unix.EPERM) {
		return fd, err
	}
	attr.logLevel, attr.logSize, attr.logBuf = 1, uint32(len(log)), uint64(uintptr(unsafe.Pointer(&log[0])))
	fd, again := bpf(unix.BPF_PROG_LOAD, unsafe.Pointer(&attr), unsafe.Sizeof(attr))
	if again == nil {
		return fd, nil
	}
	text, _, _ := bytes.Cut(log, []byte{0})
	return -1, fmt.Errorf("load: %w: %s", err, bytes.TrimSpace(text))
}

type attachAttr struct {
	target, program, attachType, flags, replace uint32
}

// attachFilter attaches the program, in place of another where replace is its fd.
func attachFilter(dir, program, replace int) error {
	attr := attachAttr{
		target: uint32(dir), program: uint32(program), attachType: unix.BPF_CGROUP_DEVICE, flags: unix.BPF_F_ALLOW_MULTI,
	}
	if replace != 0 {
		attr.flags |= unix.BPF_F_REPLACE
		attr.replace = uint32(replace)
	}
	if _, err := bpf(unix.BPF_PROG_ATTACH, unsafe.Pointer(&attr), unsafe.Sizeof(attr)); err != nil {
		return fmt.Errorf("attach: %w", err)
	}
	return nil
}

func detachFilter(dir, program int) error {
	attr := attachAttr{target: uint32(dir), program: uint32(program), attachType: unix.BPF_CGROUP_DEVICE}
	if _, err := bpf(unix.BPF_PROG_DETACH, unsafe.Pointer(&attr), unsafe.Sizeof(attr)); err != nil {
		return fmt.Errorf("detach: %w", err)
	}
	return nil
}

// maxAttached is the kernel's limit of programs of one type on a cgroup (BPF_CGROUP_MAX_PROGS).
const maxAttached = 64

// attachedFilters returns fds of the device programs that are attached to the cgroup itself. The caller closes them.
func attachedFilters(dir int) (fds []int, err error) {
	ids, err := filterIDs(dir)
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		get := struct{ id, next, flags uint32 }{id: id}
		fd, err := bpf(unix.BPF_PROG_GET_FD_BY_ID, unsafe.Pointer(&get), unsafe.Sizeof(get))
		if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
			continue // gone, or another's, hidden by an LSM: it can only forbid more
		}
		if err != nil {
			for _, fd := range fds {
				unix.Close(fd)
			}
			return nil, fmt.Errorf("open program %d: %w", id, err)
		}
		fds = append(fds, fd)
	}
	return fds, nil
}

// filterIDs names the device programs that are attached to the cgroup itself, in one look.
func filterIDs(dir int) ([]uint32, error) {
	var pinner runtime.Pinner
	defer pinner.Unpin()
	ids := make([]uint32, maxAttached)
	pinner.Pin(&ids[0])
	attr := struct {
		target, attachType, queryFlags, attachFlags uint32
		ids                                         uint64
		count, _                                    uint32
		// Linux 6.17 and later write the fields up to the revision, whatever size they are told.
		_, _, _ uint64
		_       uint64
	}{target: uint32(dir), attachType: unix.BPF_CGROUP_DEVICE, ids: uint64(uintptr(unsafe.Pointer(&ids[0]))), count: maxAttached}
	if _, err := bpf(unix.BPF_PROG_QUERY, unsafe.Pointer(&attr), unsafe.Sizeof(attr)); err != nil {
		return nil, fmt.Errorf("query: %w", err)
	}
	return ids[:attr.count], nil
}
