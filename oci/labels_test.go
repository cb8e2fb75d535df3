// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"crisp/conmon/plan"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// secret is what the profile of the tests denies, and confinement what a process tells of itself.
const (
	secret      = "/secret"
	confinement = "/proc/self/attr/apparmor/current"
)

// loadProfile loads a profile that allows everything but one file.
func loadProfile(b *bench, name string) {
	b.Helper()
	if !b.runtime.host.AppArmor {
		b.Skip("AppArmor is off")
	}
	parser, err := exec.LookPath("apparmor_parser")
	if err != nil {
		b.Skip("apparmor_parser is not installed")
	}
	if _, err := os.Stat("/sys/kernel/security/apparmor"); err != nil {
		if err := unix.Mount("securityfs", "/sys/kernel/security", "securityfs", 0, ""); err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = unix.Unmount("/sys/kernel/security", 0) })
	}
	text := fmt.Sprintf(`profile %s flags=(attach_disconnected,mediate_deleted) {
		capability, file, network, mount, umount, pivot_root, ptrace, signal, unix,
		deny %s r,
	}`, name, secret)
	load := func(flag string) error {
		cmd := exec.Command(parser, "--skip-cache", flag)
		cmd.Stdin = strings.NewReader(text)
		out, err := cmd.CombinedOutput()
		if err != nil {
			return fmt.Errorf("apparmor_parser %s: %w: %s", flag, err, out)
		}
		return nil
	}
	if err := load("--replace"); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := load("--remove"); err != nil {
			b.Error(err)
		}
	})
}

// confined is a container whose workload is to be denied the secret.
func confined(b *bench, profile string, args ...string) *specs.Spec {
	b.Helper()
	s := b.spec(args...)
	s.Process.ApparmorProfile = profile
	if err := os.WriteFile(filepath.Join(s.Root.Path, secret), []byte("told"), 0o644); err != nil {
		b.Fatal(err)
	}
	return s
}

// TestAppArmorProfilesHold: what the profile denies is denied to the first process and to further ones, each with its own profile.
func TestAppArmorProfilesHold(t *testing.T) {
	b := newBench(t)
	const profile = "crisp-test-denies"
	loadProfile(b, profile)
	look := func(out string, x int, denied bool) {
		t.Helper()
		if x != 0 {
			t.Fatalf("exit %d: %s", x, out)
		}
		f := readFacts(t, out)
		want, mode := "told", "unconfined"
		if denied {
			want, mode = "", profile+" (enforce)"
		}
		if p := f.Paths[secret]; p.Content != want || denied != (p.ReadError != "") {
			t.Errorf("the secret: %+v, denied should be %v", p, denied)
		}
		if got := strings.TrimSpace(f.Paths[confinement].Content); got != mode {
			t.Errorf("confined by %q, not %q", got, mode)
		}
	}
	for _, narrow := range []bool{false, true} {
		s := confined(b, profile, "facts", secret, confinement)
		s.Process.NoNewPrivileges = narrow
		k := b.create(s)
		x := k.run()
		look(k.output(), x.Code, true)
		for _, own := range []string{profile, "unconfined"} {
			s := confined(b, own, "wait")
			k := b.running(s)
			p := *s.Process
			for _, later := range []string{profile, "unconfined"} {
				p.ApparmorProfile, p.NoNewPrivileges = later, narrow
				out, x := k.exec(&p, "facts", secret, confinement)
				look(out, x.Code, later == profile)
			}
		}
	}
}

// TestAProcOfTheContainerTakesNoLabel: whatever the container has on /proc, or in it, the label goes to the kernel (CVE-2019-16884,
// CVE-2025-52881).
func TestAProcOfTheContainerTakesNoLabel(t *testing.T) {
	b := newBench(t)
	const profile = "crisp-test-covered"
	loadProfile(b, profile)
	fake := t.TempDir()
	for _, dir := range []string{"thread-self", "self", "1"} {
		for _, attr := range []string{"attr", "attr/apparmor"} {
			if err := os.MkdirAll(filepath.Join(fake, dir, attr), 0o777); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(fake, dir, attr, "exec"), []byte("exec "+profile), 0o666); err != nil {
				t.Fatal(err)
			}
		}
	}
	ran := 0
	for name, over := range map[string]specs.Mount{
		"a volume":  {Destination: "/proc", Type: "bind", Source: fake, Options: []string{"rbind", "rw"}},
		"a tmpfs":   {Destination: "/proc", Type: "tmpfs", Source: "tmpfs"},
		"in place":  {},
		"a symlink": {},
	} {
		s := confined(b, profile, "facts", secret)
		i := slices.IndexFunc(s.Mounts, func(m specs.Mount) bool { return m.Destination == "/proc" })
		switch name {
		case "in place":
			s.Mounts[i] = specs.Mount{Destination: "/proc", Type: "bind", Source: fake, Options: []string{"rbind", "rw"}}
		case "a symlink":
			s.Mounts = slices.Delete(s.Mounts, i, i+1)
			if err := os.Symlink("/elsewhere", filepath.Join(s.Root.Path, "proc")); err != nil {
				t.Fatal(err)
			}
		default:
			s.Mounts = append(s.Mounts, over)
		}
		s.Linux.MaskedPaths, s.Linux.ReadonlyPaths = nil, nil
		k, err := b.tryCreate(s)
		if err != nil {
			t.Logf("%s: refused: %v", name, err)
			continue // nothing runs unconfined
		}
		ran++
		if x := k.run(); x.Code != 0 {
			t.Fatalf("%s: %+v %s", name, x, k.output())
		}
		if p := readFacts(t, k.output()).Paths[secret]; p.ReadError == "" || p.Content != "" {
			t.Errorf("%s: the secret was told: %+v", name, p)
		}
	}
	if ran == 0 {
		t.Error("all were refused")
	}
}

// TestLabelsAreReadBack: every label that is written is compared with what the kernel then has, on the same procfs.
func TestLabelsAreReadBack(t *testing.T) {
	for profile, back := range map[string]bool{"cri-containerd": true, ":ns:profile": false, "outer//&inner": false} {
		s := readSpec(t, "restricted")
		s.Process.ApparmorProfile = profile
		for _, compile := range []func() (*Compiled, error){
			func() (*Compiled, error) { return Compile(s, options(s, hostLSM())) },
			func() (*Compiled, error) { return CompileExec(s, s.Process, options(s, hostLSM())) },
		} {
			c, err := compile()
			if err != nil {
				t.Fatal(err)
			}
			var read []string
			for i, step := range c.Plan.Steps {
				if step.Op != plan.OpVerifyText {
					continue
				}
				before := c.Plan.Steps[i-1]
				if before.Op != plan.OpWrite || before.FD != step.FD || before.Str[0] != step.Str[0] {
					t.Errorf("%s: not read back from where it was written: %+v, %+v", profile, before, step)
				}
				read = append(read, string(step.Blob))
			}
			want := []string{s.Process.SelinuxLabel}
			if back {
				want = []string{profile, s.Process.SelinuxLabel}
			}
			if !slices.Equal(read, want) {
				t.Errorf("%s: %q are read back, not %q", profile, read, want)
			}
		}
	}
}

func TestAppArmorProfilesAreApplied(t *testing.T) {
	b := newBench(t)
	if !b.runtime.host.AppArmor {
		t.Skip("AppArmor is off")
	}
	s := b.spec("wait")
	s.Process.ApparmorProfile = "unconfined"
	k := b.running(s)
	if out, x := k.exec(s.Process, "facts", "/proc/self/attr/apparmor/current"); x.Code != 0 ||
		strings.TrimSpace(readFacts(t, out).Paths["/proc/self/attr/apparmor/current"].Content) != "unconfined" {
		t.Errorf("exit %+v: %s", x, out)
	}
	s = b.spec("wait")
	s.Process.ApparmorProfile = "crisp-nonexistent"
	_, err := b.tryCreate(s)
	if !errors.Is(err, unix.ENOENT) || !strings.HasPrefix(err.Error(), "set the AppArmor profile crisp-nonexistent: ") {
		t.Errorf("a profile that is not loaded: %v", err)
	}
}
