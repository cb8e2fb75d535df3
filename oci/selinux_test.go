// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// Labels of testdata/selinux.cil.
const (
	workloadLabel = "u:r:workload_t:s0:c1,c2"
	otherLabel    = "u:r:other_t:s0"
	filesLabel    = "u:object_r:files_t:s0:c1"
)

// loadPolicy gives a machine that has SELinux on, but no policy, one with the labels of these tests. A policy stays until the next boot,
// so that one that is there is left alone.
func loadPolicy(t *testing.T) {
	t.Helper()
	modules, err := os.ReadFile("/proc/filesystems")
	if err != nil || !strings.Contains(string(modules), "selinuxfs") {
		t.Skip("SELinux is off")
	}
	if os.Geteuid() != 0 {
		t.Skip("makes containers: needs root")
	}
	if _, err := os.Stat("/sys/fs/selinux/load"); err != nil {
		if err := unix.Mount("selinuxfs", "/sys/fs/selinux", "selinuxfs", 0, ""); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = unix.Unmount("/sys/fs/selinux", 0) })
	}
	switch label, err := os.ReadFile("/proc/self/attr/current"); {
	case err != nil:
		t.Fatal(err)
	case strings.HasPrefix(string(label), "u:r:kernel_t:"):
		return // another test has loaded it
	case strings.TrimRight(string(label), "\x00\n ") != "kernel":
		t.Skipf("the machine has a policy of its own: this is %q", label)
	}
	compiler, err := exec.LookPath("secilc")
	if err != nil {
		t.Skip("secilc is not installed")
	}
	policy := filepath.Join(t.TempDir(), "policy")
	if out, err := exec.Command(compiler, "-o", policy, "-f", "/dev/null", "-c", "33", "testdata/selinux.cil").CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	binary, err := os.ReadFile(policy)
	if err == nil {
		err = os.WriteFile("/sys/fs/selinux/load", binary, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestSELinuxLabelsHold: processes get theirs at the exec, each its own, and file systems that are made for the container theirs.
func TestSELinuxLabelsHold(t *testing.T) {
	loadPolicy(t)
	b := newBench(t)
	const current = "/proc/self/attr/current"
	look := func(out string, code int, want string) {
		t.Helper()
		if code != 0 {
			t.Fatalf("exit %d: %s", code, out)
		}
		if got := strings.TrimRight(readFacts(t, out).Paths[current].Content, "\x00\n"); got != want {
			t.Errorf("labelled %q, not %q", got, want)
		}
	}
	for _, narrow := range []bool{false, true} {
		s := b.spec("facts", current)
		s.Process.SelinuxLabel, s.Process.NoNewPrivileges = workloadLabel, narrow
		k := b.create(s)
		x := k.run()
		look(k.output(), x.Code, workloadLabel)
	}
	s := b.spec("wait")
	s.Process.SelinuxLabel, s.Linux.MountLabel = workloadLabel, filesLabel
	s.Mounts = append(s.Mounts, specs.Mount{Destination: "/tmp", Type: "tmpfs", Source: "tmpfs"})
	k := b.running(s)
	for _, label := range []string{workloadLabel, otherLabel} {
		p := *s.Process
		p.SelinuxLabel = label
		out, x := k.exec(&p, "facts", current)
		look(out, x.Code, label)
	}
	for _, dir := range []string{"/dev", "/dev/pts", "/tmp", "/dev/mqueue"} {
		label := make([]byte, 256)
		n, err := unix.Lgetxattr("/proc/"+itoa(k.Pid)+"/root"+dir, "security.selinux", label)
		if err != nil || strings.TrimRight(string(label[:n]), "\x00") != filesLabel {
			t.Errorf("%s is labelled %q, not %q (%v)", dir, label[:max(n, 0)], filesLabel, err)
		}
	}
}

// TestSELinuxLabelsThatDoNotExistAreErrors of create and exec.
func TestSELinuxLabelsThatDoNotExistAreErrors(t *testing.T) {
	loadPolicy(t)
	b := newBench(t)
	s := b.spec("wait")
	s.Process.SelinuxLabel = "u:r:nonexistent_t:s0"
	if _, err := b.tryCreate(s); !errors.Is(err, unix.EINVAL) || !strings.HasPrefix(err.Error(), "set the SELinux label u:r:nonexistent_t:s0: ") {
		t.Errorf("create: %v", err)
	}
	s.Process.SelinuxLabel = workloadLabel
	k := b.running(s)
	p := *s.Process
	p.Args, p.SelinuxLabel = []string{"/probe", "exit", "0"}, "u:r:nonexistent_t:s0"
	if _, err := k.Exec(b.ctx, ExecRequest{Process: &p}); !errors.Is(err, unix.EINVAL) {
		t.Errorf("exec: %v", err)
	}
}
