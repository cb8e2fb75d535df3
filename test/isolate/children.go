// SPDX-License-Identifier: Apache-2.0

package isolate

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Children are the direct children of a process, those of all its threads (proc_pid_task(5): the children file of a
// thread lists what that thread forked).
func Children(pid int) ([]int, error) {
	files, err := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/task/*/children")
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, f := range files {
		data, err := os.ReadFile(f)
		if errors.Is(err, os.ErrNotExist) {
			continue // that thread has ended
		}
		if err != nil {
			return nil, err
		}
		for field := range strings.FieldsSeq(string(data)) {
			child, err := strconv.Atoi(field)
			if err != nil {
				return nil, err
			}
			pids = append(pids, child)
		}
	}
	return pids, nil
}

// Descendants are all processes below pid.
func Descendants(pid int) ([]int, error) {
	children, err := Children(pid)
	if err != nil {
		return nil, err
	}
	all := children
	for _, c := range children {
		below, err := Descendants(c)
		if err != nil {
			return nil, err
		}
		all = append(all, below...)
	}
	return all, nil
}
