// SPDX-License-Identifier: Apache-2.0

package security

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// rootlessUser runs the engine in these tests. Root of its containers is this user on the host: what gets out has no more rights than that,
// but those are somebody's.
const rootlessUser = 1000

// becomeUser gives up root.
func becomeUser() error {
	if err := unix.Setgroups(nil); err != nil {
		return err
	}
	if err := unix.Setresgid(rootlessUser, rootlessUser, rootlessUser); err != nil {
		return err
	}
	return unix.Setresuid(rootlessUser, rootlessUser, rootlessUser)
}

// newRootlessBench is a bench whose engine is run by that user.
func newRootlessBench(t testing.TB) *bench {
	t.Helper()
	b := newBench(t)
	b.oursOnly("rootless containers without cgroups are configured otherwise")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// Where these programs are nobody else may go.
	b.under = []string{b.file(filepath.Join(b.dir, "test"), read(t, self), 0o755), userArg}
	engine := b.file(filepath.Join(b.make("bin"), "engine-"+b.engine.name()), read(t, b.engine.words[0]), 0o755)
	b.engine.words = append([]string{engine}, b.engine.words[1:]...)
	for _, dir := range []string{b.root, b.dir} {
		if err := os.Chown(dir, rootlessUser, rootlessUser); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Dir(b.dir), 0o711); err != nil {
		t.Fatal(err)
	}
	b.env = append(b.env, "XDG_RUNTIME_DIR="+b.root)
	return b
}

// rootless makes the bundle one that its user may run: a user namespace with the one ID, no cgroups.
func (k *bundle) rootless() *bundle {
	k.b.Helper()
	k.without("/sys/fs/cgroup")
	for i := range k.spec.Mounts {
		if m := &k.spec.Mounts[i]; m.Destination == "/dev/pts" {
			m.Options = []string{"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"}
		}
	}
	k.spec.Linux.CgroupsPath, k.spec.Linux.Resources = "", nil
	k.spec.Linux.UIDMappings = []specs.LinuxIDMapping{{ContainerID: 0, HostID: rootlessUser, Size: 1}}
	k.spec.Linux.GIDMappings = k.spec.Linux.UIDMappings
	k.spec.Linux.Namespaces = append(k.spec.Linux.Namespaces, specs.LinuxNamespace{Type: specs.UserNamespace})
	err := filepath.WalkDir(k.dir, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if strings.HasSuffix(path, "/attacker") { // a link to the one of all tests
			return nil
		}
		return os.Lchown(path, rootlessUser, rootlessUser)
	})
	if err != nil {
		k.b.Fatal(err)
	}
	return k
}

// TestRootlessNoDescriptorOfTheHostIsInside is CVE-2024-21626 with an engine that is not root.
func TestRootlessNoDescriptorOfTheHostIsInside(t *testing.T) {
	b := newRootlessBench(t)
	b.manyFiles(100)
	checkFDs(t, "run", b.bundle("look").rootless().run().report(), 0)
	checkFDs(t, "run with preserved ones", b.bundle("look").rootless().run("--preserve-fds", "2").report(), 2)
	c := b.bundle("wait").rootless().running().ready()
	checkFDs(t, "exec", c.exec(nil, "look").report(), 0)
	c.delete()
}

// TestRootlessJoiningProcessesShowNothingOfTheHost: who execs into a container of the same user is one that the container's root could trace
// (CVE-2016-9962, CVE-2019-5736): both are one user on the host.
func TestRootlessJoiningProcessesShowNothingOfTheHost(t *testing.T) {
	b := newRootlessBench(t)
	b.env = append(b.env, "SECRET=engine")
	w := b.watchIn((*bundle).rootless)
	stops := 0
	b.stopped(func(stop) { w.look(); stops++ }, func() {
		w.exec(nil, "exit", "0").ok()
		w.exec([]string{"--user", "0:0", "--cwd", "/dev"}, "exit", "0").ok()
	})
	for _, s := range w.end() {
		t.Errorf("a container sees of another process its %s: %s", s.What, s.Is)
	}
	if stops < 20 {
		t.Errorf("only %d system calls were watched", stops)
	}
}

// TestRootlessProgramOfTheUserCannotBeOverwritten is CVE-2019-5736 where it hurts most without root: the engine's program is the user's own, and
// so is the container's root.
func TestRootlessProgramOfTheUserCannotBeOverwritten(t *testing.T) {
	b := newRootlessBench(t)
	path := b.engine.words[0]
	original := read(t, path)
	if err := os.Chown(path, rootlessUser, rootlessUser); err != nil {
		t.Fatal(err)
	}
	k := b.bundle("overwrite").rootless()
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
	if read(t, path) != original {
		t.Error("the program of the user was overwritten")
	}
}
