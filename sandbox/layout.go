// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// layout knows where things live. Everything that is made for an object has a name derived from its ID, so that what a crash left
// can be found by the ID alone.
//
//	root/pods/<pod>/record.json, status.json, exit          the pod; exit is its pause process's exit record
//	root/pods/<pod>/containers/<ctr>/record.json, …, exit   a container
//	root/pods/<pod>/containers/<ctr>/upper/, work/          its writable layer
//	state/pods/<pod>/conmon.sock, hostname, hosts, resolv.conf, shm/, rootfs/
//	state/pods/<pod>/<ctr>/config.json                      its bundle
//
// All directories are 0700: what lies in a container's layers, setuid programs for one, is nobody else's (CVE-2024-25621).
type layout struct{ root, state string }

func (l layout) pods() string             { return filepath.Join(l.root, "pods") }
func (l layout) pod(id string) string     { return filepath.Join(l.root, "pods", id) }
func (l layout) podRun(id string) string  { return filepath.Join(l.state, "pods", id) }
func (l layout) podsRun() string          { return filepath.Join(l.state, "pods") }
func (l layout) socket(pod string) string { return filepath.Join(l.podRun(pod), "conmon.sock") }

func (l layout) containers(pod string) string    { return filepath.Join(l.pod(pod), "containers") }
func (l layout) container(pod, id string) string { return filepath.Join(l.pod(pod), "containers", id) }
func (l layout) bundle(pod, id string) string    { return filepath.Join(l.podRun(pod), id) }
func (l layout) podFile(pod, name string) string { return filepath.Join(l.podRun(pod), name) }
func (l layout) bundleFile(pod, id string) string {
	return filepath.Join(l.bundle(pod, id), "config.json")
}

func makeDirs(dirs ...string) error {
	for _, d := range dirs {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return err
		}
	}
	return nil
}

// newID returns a fresh name for a pod or a container.
func newID() string {
	var b [32]byte
	rand.Read(b[:]) // never fails: crypto/rand ends the program instead
	return hex.EncodeToString(b[:])
}

// validID says whether a directory's name is one that newID made.
func validID(s string) bool {
	return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == ""
}

// bootID names this boot of the kernel.
func bootID() (string, error) {
	data, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", fmt.Errorf("boot ID: %w", err)
	}
	return strings.TrimSpace(string(data)), nil
}
