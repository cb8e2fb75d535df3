// SPDX-License-Identifier: Apache-2.0

package security

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"crisp/test/security/internal/report"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// watcher is a container whose process looks at all others of its PID namespace, round by round.
type watcher struct {
	*created
	rounds *atomic.Uint64
}

// watch starts one. caps are more capabilities than the usual ones.
func (b *bench) watch(caps ...string) *watcher {
	b.Helper()
	return b.watchIn(func(k *bundle) *bundle {
		return k.capabilities(append(append([]string{}, defaultCapabilities...), caps...)...)
	})
}

// watchIn starts one in a bundle that was changed.
func (b *bench) watchIn(change func(*bundle) *bundle) *watcher {
	b.Helper()
	volume := b.make("rounds-" + b.id())
	f, err := os.Create(filepath.Join(volume, "rounds"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	if err := f.Chmod(0o666); err != nil { // whoever it is inside
		b.Fatal(err)
	}
	if err := f.Truncate(8); err != nil {
		b.Fatal(err)
	}
	shared, err := unix.Mmap(int(f.Fd()), 0, 8, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = unix.Munmap(shared) })
	k := change(b.bundle("watch", "/volume/rounds").bind(volume, "/volume"))
	return &watcher{k.running().ready(), (*atomic.Uint64)(unsafe.Pointer(&shared[0]))}
}

// look waits until the watcher has looked at everything once from here on.
func (w *watcher) look() {
	w.b.Helper()
	seen, end := w.rounds.Load(), time.Now().Add(patience/10)
	for w.rounds.Load() < seen+2 {
		if time.Now().After(end) {
			w.b.Error("the watcher does not look")
			return
		}
	}
}

// end stops it and returns what it saw.
func (w *watcher) end() []report.Sighting {
	w.b.Helper()
	w.signal("TERM")
	w.reap()
	_, text, _ := strings.Cut(w.output(), "ready\n")
	var seen []report.Sighting
	if err := json.Unmarshal([]byte(text), &seen); err != nil {
		w.b.Fatalf("%v: %q", err, text)
	}
	w.delete()
	return seen
}

// TestJoiningProcessesShowNothingOfTheHost holds each process that execs into a container, or is created in its PID namespace, before
// every system call until a process of that container has looked at its program, descriptors, directories and environment, and has
// tried to trace it (CVE-2016-9962, CVE-2019-5736, CVE-2024-21626).
func TestJoiningProcessesShowNothingOfTheHost(t *testing.T) {
	b := newBench(t)
	b.env = []string{"SECRET=engine"}
	w := b.watch()
	stops := 0
	b.stopped(func(stop) { w.look(); stops++ }, func() {
		w.exec(nil, "exit", "0").ok()
		k := b.bundle("exit", "0")
		for i := range k.spec.Linux.Namespaces {
			if n := &k.spec.Linux.Namespaces[i]; n.Type == specs.PIDNamespace {
				n.Path = fmt.Sprintf("/proc/%d/ns/pid", w.pid)
			}
		}
		c := k.create()
		w.look()
		c.start()
		c.delete()
	})
	for _, s := range w.end() {
		t.Errorf("a container sees of another process its %s: %s", s.What, s.Is)
	}
	if stops < 20 {
		t.Errorf("only %d system calls were watched", stops)
	}
}

// TestSharedNamespacesShowNothingOfTheHost is the same for a process that is created in a container's mount namespace and all its others: it
// stands in a tree that the container may change at any moment.
func TestSharedNamespacesShowNothingOfTheHost(t *testing.T) {
	b := newBench(t)
	b.oursOnly("runc makes its own root in a mount namespace that it joins")
	b.env = []string{"SECRET=engine"}
	k := b.bundle("exit", "0")
	w := b.watchIn(func(of *bundle) *bundle { // the same path leads to the root file system there and on the host
		below := strings.TrimPrefix(k.rootfs, "/")
		b.make(filepath.Join(filepath.Base(of.dir), "rootfs", below))
		of.install(filepath.Join(below, "attacker"))
		return of
	})
	k.spec.Mounts, k.spec.Hostname, k.spec.Root.Path = nil, "", k.rootfs
	k.spec.Linux.Namespaces = nil
	for kind, file := range map[specs.LinuxNamespaceType]string{
		specs.MountNamespace: "mnt", specs.PIDNamespace: "pid", specs.IPCNamespace: "ipc", specs.UTSNamespace: "uts",
		specs.NetworkNamespace: "net", specs.CgroupNamespace: "cgroup",
	} {
		k.spec.Linux.Namespaces = append(k.spec.Linux.Namespaces, specs.LinuxNamespace{Type: kind, Path: fmt.Sprintf("/proc/%d/ns/%s", w.pid, file)})
	}
	stops := 0
	b.stopped(func(stop) { w.look(); stops++ }, func() {
		k.run().ok()
	})
	for _, s := range w.end() {
		t.Errorf("a container sees of another process its %s: %s", s.What, s.Is)
	}
	if stops < 20 {
		t.Errorf("only %d system calls were watched", stops)
	}
}

// TestProgramOfTheHostCannotBeOverwritten is the exploit of CVE-2019-5736: the container has the engine execute itself, as the
// interpreter of what it is asked to run, holds its program open, and writes to it once nobody executes it. Even all capabilities must not help.
func TestProgramOfTheHostCannotBeOverwritten(t *testing.T) {
	b := newBench(t)
	path := filepath.Join(b.make("bin"), "engine-"+b.engine.name())
	original := read(t, b.engine.words[0])
	b.engine.words = append([]string{b.file(path, original, 0o755)}, b.engine.words[1:]...) // not the one of the other tests
	for name, caps := range map[string][]string{"default capabilities": nil, "all capabilities": {"CAP_SYS_PTRACE", "CAP_SYS_ADMIN", "CAP_DAC_READ_SEARCH"}} {
		t.Run(name, func(t *testing.T) {
			k := b.bundle("overwrite")
			k.capabilities(append(append([]string{}, defaultCapabilities...), caps...)...)
			b.file(filepath.Join(k.rootfs, "script"), "#!/proc/self/exe\n", 0o755)
			c := k.running().ready()
			for range 10 {
				b.command("exec", c.id, "/script")
				b.command("exec", c.id, "/proc/self/exe", "exit", "0")
				c.exec(nil, "exit", "0").ok()
			}
			c.signal("TERM")
			c.reap()
			if _, list, _ := strings.Cut(c.output(), "ready\n"); list != "null\n" {
				t.Errorf("the container has written to %s", list)
			}
			c.delete()
			k.spec.Process.Args = []string{"/script"}
			k.run()
			if sha256.Sum256([]byte(read(t, path))) != sha256.Sum256([]byte(original)) {
				t.Fatal("the program of the host was overwritten")
			}
		})
	}
}
