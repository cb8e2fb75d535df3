// SPDX-License-Identifier: Apache-2.0

// Package report is what the attacker, the workload of the security tests, tells of the place that it is in.
package report

// Report is what a process sees.
type Report struct {
	FDs       map[int]string // number to target, before anything else was opened
	Cwd       string
	CwdError  string // of getcwd
	Above     string // the content of ../../../../../../etc/passwd, "" when there is none
	Exe       string
	Args, Env []string
	Status    map[string]string // /proc/self/status
	Mounts    []string          // /proc/self/mountinfo
	Stdin     Path
	Keyring   string // KEYCTL_DESCRIBE of the session keyring
	Tty       string // error of opening /dev/tty, "" when it opens
	Umask     int
	Pid       int
	State     string // what a hook got on stdin
	Paths     map[string]Path
}

// Path is what became of looking at a path.
type Path struct {
	Error string // of lstat; the rest is empty then
	Mode  string
	Rdev  string // "1:3" of the file that the path leads to
	Magic int64  // statfs f_type, of what the path leads to
	Mount uint64 // statx mount ID of what the path leads to
	Write string // error of opening it for writing, "" when it opens
	Read  string // the first bytes
}

// Sighting is something that a watcher saw of another process.
type Sighting struct {
	What string // "exe", "fd", "root", "trace", …
	Is   string
}
