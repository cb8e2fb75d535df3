// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// A bundle is what one container is made from. It is made anew for each, on a file system of the test's own, for runtimes leave mount
// points in it.
type bundle struct {
	t        testing.TB
	dir      string
	spec     *specs.Spec
	asks     []string // of the probe, besides what it always tells
	terminal bool
	files    int
}

// makeBundle writes the bundle of a config below the scratch directory.
func makeBundle(t testing.TB, scratch, probe string, c config) *bundle {
	t.Helper()
	b := &bundle{t: t, dir: filepath.Join(scratch, "bundle")}
	must(t, os.RemoveAll(b.dir))
	b.rootfs(probe)
	b.spec = &specs.Spec{}
	text, err := os.ReadFile(filepath.Join("testdata", c.base()+".json"))
	must(t, err)
	must(t, json.Unmarshal(text, b.spec))
	b.spec.Linux.CgroupsPath = testCgroup + "/c"
	b.spec.Process.Terminal = false
	if c.set != nil {
		c.set(b)
	}
	for i := range b.spec.Mounts {
		if m := &b.spec.Mounts[i]; len(m.Source) > 7 && m.Source[:7] == "BUNDLE/" {
			m.Source = filepath.Join(b.dir, m.Source[7:])
			if _, err := os.Stat(m.Source); err != nil {
				b.file(m.Source, "of the bundle\n", 0o644)
			}
		}
	}
	b.spec.Process.Args = append([]string{"/probe", "tree:/dev", "tree:/", "cgroup", "calls"}, b.asks...)
	text, err = json.Marshal(b.spec)
	must(t, err)
	b.file(filepath.Join(b.dir, "config.json"), string(text), 0o600)
	return b
}

// rootfs makes what an image has at the least.
func (b *bundle) rootfs(probe string) {
	b.t.Helper()
	text, err := os.ReadFile(probe)
	must(b.t, err)
	b.file(b.inside("probe"), string(text), 0o755)
	b.file(b.inside("etc/passwd"), "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/home/user:/bin/sh\n", 0o644)
	b.file(b.inside("etc/group"), "root:x:0:\nuser:x:1000:\n", 0o644)
	b.file(b.inside("data/file"), "of the image\n", 0o640)
	for dir, mode := range map[string]os.FileMode{"tmp": 0o777 | os.ModeSticky, "data": 0o750, "home/user": 0o700} {
		must(b.t, os.MkdirAll(b.inside(dir), 0o755))
		must(b.t, os.Chmod(b.inside(dir), mode))
	}
	must(b.t, os.MkdirAll(filepath.Join(b.dir, "shm"), 0o755))
}

// inside is a path of the root file system.
func (b *bundle) inside(path string) string { return filepath.Join(b.dir, "rootfs", path) }

func (b *bundle) file(path, text string, mode os.FileMode) {
	b.t.Helper()
	must(b.t, os.MkdirAll(filepath.Dir(path), 0o755))
	must(b.t, os.WriteFile(path, []byte(text), mode))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// mount adds a mount.
func (b *bundle) mount(destination, kind, source string, options ...string) {
	b.spec.Mounts = append(b.spec.Mounts, specs.Mount{Destination: destination, Type: kind, Source: source, Options: options})
}

// mountOf is the mount on a path.
func (b *bundle) mountOf(destination string) *specs.Mount {
	b.t.Helper()
	for i := range b.spec.Mounts {
		if b.spec.Mounts[i].Destination == destination {
			return &b.spec.Mounts[i]
		}
	}
	b.t.Fatalf("no mount on %s", destination)
	return nil
}

// namespace adds a namespace: a new one, or that at a path.
func (b *bundle) namespace(kind specs.LinuxNamespaceType, path string) {
	b.drop(kind)
	b.spec.Linux.Namespaces = append(b.spec.Linux.Namespaces, specs.LinuxNamespace{Type: kind, Path: path})
}

// drop takes namespaces away: the container has those of the host.
func (b *bundle) drop(kinds ...specs.LinuxNamespaceType) {
	var kept []specs.LinuxNamespace
next:
	for _, n := range b.spec.Linux.Namespaces {
		for _, k := range kinds {
			if n.Type == k {
				continue next
			}
		}
		kept = append(kept, n)
	}
	b.spec.Linux.Namespaces = kept
}

// capabilities sets three of the five sets.
func (b *bundle) capabilities(names ...string) *specs.LinuxCapabilities {
	b.spec.Process.Capabilities = &specs.LinuxCapabilities{Bounding: names, Effective: names, Permitted: names}
	return b.spec.Process.Capabilities
}

func (b *bundle) user(uid, gid uint32) { b.spec.Process.User = specs.User{UID: uid, GID: gid} }

// ask has the probe look at paths ("look"), or read them ("read").
func (b *bundle) ask(what string, paths ...string) {
	for _, p := range paths {
		b.asks = append(b.asks, what+":"+p)
	}
}

// scratch is a file system in memory: what a root file system lies on is the same everywhere.
func scratch(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "s")
	must(t, err)
	must(t, unix.Mount("tmpfs", dir, "tmpfs", 0, "mode=755"))
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
		if err := os.Remove(dir); err != nil {
			t.Error(fmt.Errorf("the scratch directory: %w", err))
		}
	})
	return dir
}
