// SPDX-License-Identifier: Apache-2.0

// Package facts is what the probe, the workload of package oci's tests, tells of the container that it is in.
package facts

// Facts is what a process sees of its container.
type Facts struct {
	Args, Env, Mounts []string
	Status            map[string]string // /proc/self/status
	Limits            map[string]string // /proc/self/limits: "soft hard"
	FDs               map[string]string // number to target
	Namespaces        map[string]string
	Cwd               string
	Hostname          string
	Domainname        string
	OOMScoreAdj       string
	Cgroup            string
	Session, Pid      int
	UIDMap            string
	Nice              int
	Umask             int
	Paths             map[string]Path
}

// Path is what became of looking at a path.
type Path struct {
	Error     string // of lstat
	Mode      string // as ls shows it
	Rdev      string // "1:3"
	UID, GID  uint32
	Link      string
	Content   string // the first bytes of a file, or the names in a directory
	ReadError string
	// WriteError is of opening a file for writing, or of making one in a directory; "" when that went well.
	WriteError string
}
