// SPDX-License-Identifier: Apache-2.0

package command

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// inheritingMounts puts a container into the mount namespace of whoever makes it.
func inheritingMounts(rootfs string) func(*specs.Spec) {
	return func(s *specs.Spec) {
		s.Root.Path = rootfs
		var kept []specs.LinuxNamespace
		for _, n := range s.Linux.Namespaces {
			if n.Type != specs.MountNamespace {
				kept = append(kept, n)
			}
		}
		s.Linux.Namespaces = kept
	}
}

// copyRoot makes a root file system of its own, whose mounts others see.
func (b *bench) copyRoot() string {
	b.Helper()
	dir := filepath.Join(b.dir, "root")
	if err := os.CopyFS(dir, os.DirFS(place.rootfs)); err != nil {
		b.Fatal(err)
	}
	return dir
}

// mounts are the mount points at and below a path.
func (b *bench) mounts(below string) []string {
	b.Helper()
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		b.Fatal(err)
	}
	var all []string
	for line := range strings.Lines(string(text)) {
		if p := strings.Fields(line)[4]; strings.HasPrefix(p, below) {
			all = append(all, p)
		}
	}
	return all
}

// The mounts of a container in the mount namespace of others go when it is deleted, by whatever command that is.
func TestMountsInTheNamespaceOfOthersGoWithTheContainer(t *testing.T) {
	b := newBench(t)
	b.newer("it leaves them", false)
	root := b.copyRoot()
	for name, end := range map[string]func(container){
		"killed and deleted": func(c container) {
			b.ok("kill", c.id, "KILL")
			b.status(c, "stopped")
			b.ok("delete", c.id)
		},
		"deleted by force": func(c container) { b.ok("delete", "--force", c.id) },
	} {
		c := b.running(waiting, inheritingMounts(root))
		if got := b.mounts(root); len(got) < 3 || got[0] != root {
			t.Errorf("%s: mounts %q", name, got)
		}
		if out := b.ok("exec", c.id, "/bin/sh", "-c", "ls /bin/sh /proc/self/exe; cut -d' ' -f5 /proc/self/mountinfo"); !strings.Contains(out, "\n/\n/proc\n") {
			t.Errorf("%s: an exec sees %s", name, out)
		}
		end(c)
		if got := b.mounts(root); len(got) != 0 {
			t.Errorf("%s: mounts %q are left", name, got)
		}
	}
	c := b.bundle("true", inheritingMounts(root))
	b.ok("run", "--bundle", c.bundle, c.id)
	c = b.bundle("true", inheritingMounts(root), func(s *specs.Spec) { s.Process.Args = []string{"/nonexistent"} })
	b.fails(1, "no such file", "run", "--bundle", c.bundle, c.id)
	if got := b.mounts(root); len(got) != 0 {
		t.Errorf("mounts %q are left by run", got)
	}
}
