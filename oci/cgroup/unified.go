// SPDX-License-Identifier: Apache-2.0

package cgroup

import "strings"

// unified writes files by name, v2 only, in the order of their names.
func (t *translator) unified(files map[string]string) {
	for _, file := range sortedKeys(files) {
		controller, rest, _ := strings.Cut(file, ".")
		switch {
		case t.version("memory") != 2 && t.version("pids") != 2:
			t.fail(ErrNoController, "unified %q needs cgroup v2", file)
			return
		case rest == "" || strings.Contains(file, "/"):
			t.fail(ErrInvalid, "unified key %q", file)
		case controller == "cgroup" && !strings.HasPrefix(rest, "max."):
			// The others move, kill or stop processes, or are the runtime's own business.
			t.fail(ErrInvalid, "unified key %q", file)
		default:
			for _, value := range strings.Split(strings.TrimRight(files[file], "\n"), "\n") {
				w := write{controller: controller, file: file, value: value}
				if key, _, _ := strings.Cut(value, " "); file == "io.max" {
					w.old = oldOfKey(key, key+ioMaxDefault)
				}
				t.writes = append(t.writes, w)
			}
		}
	}
}
