// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"strconv"
	"strings"
	"syscall"
)

// pause reaps what is left to it where a pod shares one PID namespace.
func pause() error {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGCHLD)
	for s := range signals {
		if s != syscall.SIGCHLD {
			return nil
		}
		for {
			if pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil); pid <= 0 || err != nil {
				break
			}
		}
	}
	return nil
}

// pgrep prints the pids whose command name matches.
func pgrep() error {
	if len(os.Args) != 2 {
		return errors.New("usage: pgrep PATTERN")
	}
	pattern, err := regexp.Compile(os.Args[1])
	if err != nil {
		return err
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return err
	}
	found := false
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		comm, err := os.ReadFile("/proc/" + e.Name() + "/comm")
		if err == nil && pattern.Match(bytes.TrimSpace(comm)) {
			fmt.Println(pid)
			found = true
		}
	}
	if !found {
		os.Exit(1) // as pgrep does, without a word
	}
	return nil
}

// ipcs prints the shared memory segments of its IPC namespace, in the columns of util-linux.
func ipcs() error {
	data, err := os.ReadFile("/proc/sysvipc/shm")
	if err != nil {
		return err
	}
	const format = "%-10s %-10s %-10s %-10s %-10s %-10s\n"
	fmt.Print("\n------ Shared Memory Segments --------\n")
	fmt.Printf(format, "key", "shmid", "owner", "perms", "bytes", "nattch")
	// proc_sysvipc(5): key shmid perms size cpid lpid nattch uid ...
	for i, line := range strings.Split(string(data), "\n") {
		f := strings.Fields(line)
		if i == 0 || len(f) < 8 {
			continue
		}
		key, err := strconv.ParseInt(f[0], 10, 64)
		if err != nil {
			return err
		}
		fmt.Printf(format, fmt.Sprintf("0x%08x", uint32(key)), f[1], f[7], f[2], f[3], f[6])
	}
	return nil
}
