// SPDX-License-Identifier: Apache-2.0

// Package proctree kills a process with those that it has started.
package proctree

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// killRounds bounds how often Kill looks for processes that were forked while it killed.
const killRounds = 10

// Kill kills a process and those that descend from it or are in its session. A process that has made itself a session of its own
// and lost its parent cannot be told from others, and stays. The process itself is stopped first, so that it starts no more, and
// killed last, so that its children keep their parent until they are found.
func Kill(pid int, pidfd *os.File) error { return kill(pid, int(pidfd.Fd())) }

func kill(root, pidfd int) error {
	if err := unix.PidfdSendSignal(pidfd, unix.SIGSTOP, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return err
	}
	for range killRounds {
		family, err := familyOf(root)
		if err != nil {
			return err
		}
		if len(family) == 0 {
			break
		}
		for pid, s := range family {
			killPid(pid, s)
		}
	}
	if err := unix.PidfdSendSignal(pidfd, unix.SIGKILL, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return err
	}
	return nil
}

// killPid kills by a pidfd, and only the process that was seen: its number may have become another's since.
func killPid(pid int, seen procStat) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	if s, err := readProcStat(pid); err != nil || s.ppid != seen.ppid || s.pgrp != seen.pgrp || s.session != seen.session {
		return
	}
	_ = unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)
}

// procStat are the fields of /proc/PID/stat that tell families.
type procStat struct {
	state               byte
	ppid, pgrp, session int
}

// familyOf lists the living processes that descend from root or are in its group or session, without root itself. Root is only
// given when it has not been reaped, so its number is still its own.
func familyOf(root int) (map[int]procStat, error) {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	stats := map[int]procStat{}
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		if s, err := readProcStat(pid); err == nil && s.state != 'Z' && s.state != 'X' {
			stats[pid] = s
		}
	}
	return descendants(stats, root), nil
}

func descendants(stats map[int]procStat, root int) map[int]procStat {
	in := map[int]bool{root: true}
	out := map[int]procStat{}
	for again := true; again; {
		again = false
		for pid, s := range stats {
			if !in[pid] && pid > 1 && (in[s.ppid] || s.pgrp == root || s.session == root) {
				in[pid], again = true, true
				out[pid] = s
			}
		}
	}
	return out
}

func readProcStat(pid int) (procStat, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return procStat{}, err
	}
	return parseProcStat(data)
}

// parseProcStat reads "PID (COMM) STATE PPID PGRP SESSION …" (proc_pid_stat(5)). COMM may have spaces and parentheses: the last
// ')' ends it.
func parseProcStat(data []byte) (s procStat, err error) {
	i := bytes.LastIndexByte(data, ')')
	if i < 0 {
		return s, errors.New("no command name")
	}
	f := bytes.Fields(data[i+1:])
	if len(f) < 4 || len(f[0]) != 1 || f[0][0] < 'A' || f[0][0] > 'z' {
		return s, errors.New("no state letter and three numbers")
	}
	s.state = f[0][0]
	for n, to := range []*int{&s.ppid, &s.pgrp, &s.session} {
		if *to, err = strconv.Atoi(string(f[n+1])); err != nil {
			return s, err
		}
	}
	return s, nil
}
