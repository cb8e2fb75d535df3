// SPDX-License-Identifier: Apache-2.0

package leak

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"crisp/test/isolate"
)

// processes lists those in the scope, zombies included, but for this one.
func processes(scope Scope) ([]string, error) {
	pids, err := pids(scope)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, pid := range pids {
		if name, ok := describe(pid); ok && pid != os.Getpid() && pid != scope.Daemon {
			names = append(names, name)
		}
	}
	return names, nil
}

func pids(scope Scope) ([]int, error) {
	if scope.Ancestor != 0 {
		return isolate.Descendants(scope.Ancestor)
	}
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, d := range dirs {
		comm, err := os.ReadFile(d + "/comm")
		if err != nil || !strings.HasPrefix(string(comm), "crisp") {
			continue // gone, or not ours
		}
		pid, err := strconv.Atoi(filepath.Base(d))
		if err != nil {
			return nil, err
		}
		pids = append(pids, pid)
	}
	return pids, nil
}

// describe is "PID STATE COMMAND"; false when the process is gone.
func describe(pid int) (string, bool) {
	dir := "/proc/" + strconv.Itoa(pid)
	stat, err := os.ReadFile(dir + "/stat")
	if err != nil {
		return "", false
	}
	// proc_pid_stat(5): "pid (comm) state …", and comm may hold anything.
	open, end := bytes.IndexByte(stat, '('), bytes.LastIndexByte(stat, ')')
	if open < 0 || end < open || end+2 >= len(stat) {
		return "", false
	}
	command := string(stat[open+1 : end])
	if line, err := os.ReadFile(dir + "/cmdline"); err == nil && len(line) > 0 {
		command = string(bytes.ReplaceAll(bytes.TrimRight(line, "\x00"), []byte{0}, []byte{' '}))
	}
	return fmt.Sprintf("%d %c %s", pid, stat[end+2], command), true
}

func networkNamespaces(scope Scope) ([]string, error) {
	pids, err := pids(scope)
	if err != nil {
		return nil, err
	}
	own, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		return nil, err
	}
	var names []string
	for _, pid := range pids {
		if ns, err := os.Readlink("/proc/" + strconv.Itoa(pid) + "/ns/net"); err == nil && ns != own {
			names = append(names, ns)
		}
	}
	return names, nil
}

// descriptors says what the daemon's fds are open on, without the numbers that differ each time.
func descriptors(scope Scope) ([]string, error) {
	if scope.Daemon == 0 {
		return nil, nil
	}
	dir := "/proc/" + strconv.Itoa(scope.Daemon) + "/fd"
	fds, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, fd := range fds {
		target, err := os.Readlink(filepath.Join(dir, fd.Name()))
		if err != nil {
			continue // closed since
		}
		if kind, _, ok := strings.Cut(target, ":["); ok {
			target = kind
		}
		names = append(names, target)
	}
	return names, nil
}
