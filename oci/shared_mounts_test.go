// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// join gives a spec a namespace by its path.
func join(s *specs.Spec, t specs.LinuxNamespaceType, path string) {
	s.Linux.Namespaces = without(s, t)
	s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: t, Path: path})
}

// holder is a process in new namespaces, by unshare(1); the path of one of them.
func (b *bench) holder(name string, args ...string) string {
	b.Helper()
	cmd := exec.Command("unshare", append(args, "cat")...)
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Skip(err)
	}
	b.Cleanup(func() { in.Close(); _ = cmd.Process.Kill(); _ = cmd.Wait() })
	path := "/proc/" + itoa(cmd.Process.Pid) + "/ns/" + name
	host, _ := os.Readlink("/proc/self/ns/" + name)
	b.poll("a namespace of its own", func() bool { own, _ := os.Readlink(path); return own != host && own != "" })
	return path
}

// mountsBelow are the mount points at and below a path, with their propagation, as a process sees them.
func mountsBelow(t testing.TB, pid, path string) []string {
	t.Helper()
	b, err := os.ReadFile("/proc/" + pid + "/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for line := range strings.Lines(string(b)) {
		fields := strings.Fields(line)
		if p := fields[4]; p == path || path == "/" || strings.HasPrefix(p, path+"/") {
			all = append(all, p)
			for _, o := range fields[6:slices.Index(fields, "-")] {
				all[len(all)-1] += " " + o
			}
		}
	}
	return all
}

// A container without a mount namespace, or in that of others, has its root and its mounts there; nothing of it is left.
func TestMountNamespaceOfOthers(t *testing.T) {
	for name, path := range map[string]func(*bench) string{
		"inherited": func(*bench) string { return "" },
		"joined":    func(b *bench) string { return b.holder("mnt", "--mount", "--propagation", "shared") },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			// Whoever is in the mount namespace: we, or the holder.
			pid, ns := "self", path(b)
			if ns != "" {
				pid = strings.Split(ns, "/")[2]
			}
			before := mountsBelow(t, pid, "/")
			s := b.spec("wait")
			s.Linux.Namespaces = without(s, specs.MountNamespace)
			if ns != "" {
				join(s, specs.MountNamespace, ns)
			}
			v := b.volume()
			s.Mounts = append(s.Mounts, bindMount(v, "/data", "ro"))
			s.Linux.MaskedPaths, s.Linux.ReadonlyPaths = []string{"/proc/keys", "/proc/acpi", "/proc/irq", "/missing"}, []string{"/proc/sys"}
			s.Root.Readonly = true
			k := b.running(s)
			out, x := k.exec(s.Process, "facts", "/data/file", "/data", "/proc/keys", "/proc/sys/kernel/hostname", "/probe", "/", "/sys/kernel", "/dev/null")
			if x.Code != 0 {
				t.Fatalf("exec: %+v %s", x, out)
			}
			f := readFacts(t, out)
			want, err := os.Readlink("/proc/" + pid + "/ns/mnt")
			if err != nil {
				t.Fatal(err)
			}
			equal(t, "mount namespace", f.Namespaces["mnt"], want)
			own, err := os.Readlink("/proc/" + itoa(k.Pid) + "/ns/mnt")
			if err != nil {
				t.Fatal(err)
			}
			equal(t, "mount namespace of the first process", own, want)
			equal(t, "the volume's file", f.Paths["/data/file"].Content, "content")
			equal(t, "the program", f.Paths["/probe"].Error, "")
			equal(t, "the masked file", f.Paths["/proc/keys"].Rdev, "1:3")
			equal(t, "/dev/null", f.Paths["/dev/null"].Rdev, "1:3")
			for _, p := range []string{"/", "/data", "/proc/sys/kernel/hostname"} {
				if got := f.Paths[p].WriteError; !strings.Contains(got, "read-only") {
					t.Errorf("writing to %s: %q", p, got)
				}
			}
			if got := mountsBelow(t, pid, s.Root.Path); len(got) < 5 {
				t.Errorf("mounts of the container that others see: %q", got)
			}
			_ = k.Kill(unix.SIGKILL)
			b.wait(k.ID)
			k.untilExited()
			if err := k.Delete(b.ctx); err != nil {
				t.Fatal(err)
			}
			equal(t, "mounts afterwards", strings.Join(mountsBelow(t, pid, "/"), "\n"), strings.Join(before, "\n"))
		})
	}
}

// A container that cannot be made leaves no mounts with others.
func TestFailedContainerLeavesNoMountsWithOthers(t *testing.T) {
	b := newBench(t)
	before := mountsBelow(t, "self", "/")
	s := b.spec("facts")
	s.Linux.Namespaces = without(s, specs.MountNamespace)
	s.Process.Cwd = "/probe"
	if _, err := b.tryCreate(s); err == nil {
		t.Fatal("created")
	}
	equal(t, "mounts", strings.Join(mountsBelow(t, "self", "/"), "\n"), strings.Join(before, "\n"))
}

// Delete takes only the container's own mount away.
func TestDeleteLeavesMountsOfOthers(t *testing.T) {
	b := newBench(t)
	s := b.spec("wait")
	s.Linux.Namespaces = without(s, specs.MountNamespace)
	k := b.running(s)
	_ = k.Kill(unix.SIGKILL)
	b.wait(k.ID)
	k.untilExited()
	if out, err := exec.Command("sh", "-c", "umount -R "+s.Root.Path+" && mount -t tmpfs other "+s.Root.Path).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if err := k.Delete(b.ctx); err != nil {
		t.Error(err)
	}
	if got := mountsBelow(t, "self", s.Root.Path); len(got) != 1 {
		t.Errorf("mounts %q", got)
	}
	if out, err := exec.Command("umount", s.Root.Path).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

func TestRootOfOthersNeedsAMountNamespace(t *testing.T) {
	s := readSpec(t, "pause")
	s.Linux.Namespaces = without(s, specs.MountNamespace)
	s.Root.Path = "/"
	if _, err := Compile(s, CompileOptions{}); !errors.Is(err, ErrInvalid) {
		t.Errorf("error %v", err)
	}
	s.Root.Path = ""
	if _, err := Compile(s, CompileOptions{Rootfs: true}); !errors.Is(err, ErrInvalid) {
		t.Errorf("error %v", err)
	}
}

// A container that enters its root by chroot is joined in that root, also when hooks had it attached elsewhere before.
func TestExecWithoutPivotIsInTheRoot(t *testing.T) {
	for name, hooks := range map[string]*specs.Hooks{"": nil, "with hooks": {CreateContainer: []specs.Hook{{Path: "/bin/true"}}}} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			s := b.spec("wait")
			s.Hooks = hooks
			k := b.create(s, func(q *CreateRequest) { q.NoPivot = true })
			k.start()
			k.ready(1)
			out, x := k.exec(s.Process, "facts", "/probe", filepath.Join("/", "etc", "passwd"))
			if x.Code != 0 {
				t.Fatalf("exec: %+v %s", x, out)
			}
			f := readFacts(t, out)
			equal(t, "the program", f.Paths["/probe"].Error, "")
			if f.Paths["/etc/passwd"].Error == "" {
				t.Error("the host's /etc/passwd is seen")
			}
		})
	}
}
