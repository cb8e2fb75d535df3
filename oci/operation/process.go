// SPDX-License-Identifier: Apache-2.0

package operation

import (
	"bytes"
	"errors"
	"strconv"

	"golang.org/x/sys/unix"
)

// A procStat is what proc_pid_stat(5) says of a process that cannot be told from its number.
type procStat struct {
	state     byte   // 'R', 'S', … 'Z' for one that has exited, 'X' for one that is nearly gone
	startTime uint64 // clock ticks after boot
}

// errStat: not what the kernel writes.
var errStat = errors.New("malformed stat file of a process")

// parseStat reads
//
//	PID (COMM) STATE PPID … STARTTIME …
//	1           3            22
//
// in which COMM may be anything, with blanks and parentheses.
func parseStat(b []byte) (procStat, error) {
	end := bytes.LastIndexByte(b, ')')
	if end < 0 {
		return procStat{}, errStat
	}
	fields := bytes.Fields(b[end+1:]) // from field 3 on
	if len(fields) < 20 || len(fields[0]) != 1 {
		return procStat{}, errStat
	}
	start, err := strconv.ParseUint(string(fields[19]), 10, 64)
	if err != nil {
		return procStat{}, errStat
	}
	return procStat{state: fields[0][0], startTime: start}, nil
}

// readStat reads the stat file of a process.
func readStat(pid int) (procStat, error) {
	b, err := readAt(unix.AT_FDCWD, "/proc/"+strconv.Itoa(pid)+"/stat")
	if err != nil {
		return procStat{}, err
	}
	return parseStat(b)
}

// alive says whether the container's first process has not exited yet.
func (r *record) alive() bool {
	if r.Pid == 0 {
		return false
	}
	s, err := readStat(r.Pid)
	return err == nil && s.startTime == r.StartTime && s.state != 'Z' && s.state != 'X'
}

// pidfd opens the first process; ErrNotRunning when it has exited. What has the pidfd is the right process: it is looked at afterwards.
func (r *record) pidfd() (int, error) {
	if r.Pid == 0 {
		return -1, ErrNotRunning
	}
	fd, err := unix.PidfdOpen(r.Pid, 0)
	if errors.Is(err, unix.ESRCH) || errors.Is(err, unix.EINVAL) { // EINVAL: the number lives on as that of a session (kernel/pid.c, pidfd_open)
		return -1, ErrNotRunning
	}
	if err != nil {
		return -1, err
	}
	if !r.alive() {
		unix.Close(fd)
		return -1, ErrNotRunning
	}
	return fd, nil
}
