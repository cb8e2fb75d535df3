// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

func TestEnvironmentHasEachNameOnceAndAHome(t *testing.T) {
	for _, c := range []struct{ env, home, want string }{
		{"A=1 B=2", "", "A=1 B=2"}, {"A=1 A=2 B=", "", "A=2 B="}, {"A=1", "/root", "A=1 HOME=/root"}, {"HOME=/x A=1", "/root", "HOME=/x A=1"},
		{"HOME= A=1", "/root", "A=1 HOME=/root"}, {"HOME=/x HOME=", "/root", "HOME=/root"}, {"HOME=", "", "HOME="}, {"A A", "", "A"},
	} {
		if got := strings.Join(environment(strings.Fields(c.env), c.home), " "); got != c.want {
			t.Errorf("%q, %q: %q, want %q", c.env, c.home, got, c.want)
		}
	}
}

func TestHomeOf(t *testing.T) {
	const passwd = "root:x:0:0:root:/root:/bin/sh\n#x\n\na:x:01000:1:::\nb:x:1000:1::/home/b\nc:x:-1:1::/minus:\nd:x:4294967295:1::/max:\ne:x:4294967296:1::/zero:"
	for uid, want := range map[uint32]string{0: "/root", 1000: "", 1: "", 4294967295: "", 5: ""} {
		if got := homeOf(strings.NewReader(passwd), uid); got != want {
			t.Errorf("%d: %q, want %q", uid, got, want)
		}
	}
	if got := homeOf(strings.NewReader(strings.Repeat("x", maxPasswd)+"\nroot:x:0:0::/late:"), 0); got != "" {
		t.Errorf("read on to %q", got)
	}
}

func FuzzHomeOf(f *testing.F) {
	f.Add("root:x:0:0:root:/root:/bin/sh\n", uint32(0))
	f.Add("a:x:1:1::/ho\x00me:\nb", uint32(1))
	f.Add(":::::", uint32(0))
	f.Fuzz(func(t *testing.T, passwd string, uid uint32) {
		if h := homeOf(strings.NewReader(passwd), uid); strings.ContainsAny(h, "\x00\n:") {
			t.Errorf("%q", h)
		}
	})
}

// TestHomeIsThatOfThePasswdFile looks at HOME in the first process and in an exec.
func TestHomeIsThatOfThePasswdFile(t *testing.T) {
	for name, c := range map[string]struct {
		make func(t *testing.T, b *bench, s *specs.Spec, etc string)
		want string
	}{
		"image": {func(t *testing.T, _ *bench, _ *specs.Spec, etc string) { put(t, etc+"/passwd", "u:x:1000:1::/home/u:") }, "/home/u"},
		"absolute symlink": {func(t *testing.T, _ *bench, _ *specs.Spec, etc string) {
			put(t, etc+"/other", "u:x:1000:1::/home/u:")
			link(t, "/etc/other", etc+"/passwd")
		}, "/home/u"},
		"symlink out": {func(t *testing.T, b *bench, _ *specs.Spec, etc string) {
			host := b.TempDir()
			put(t, host+"/passwd", "u:x:1000:1::/of-the-host:")
			link(t, "../../../../../../../.."+host+"/passwd", etc+"/passwd")
		}, "/"},
		"fifo": {func(t *testing.T, _ *bench, _ *specs.Spec, etc string) {
			if err := syscall.Mkfifo(etc+"/passwd", 0o666); err != nil {
				t.Fatal(err)
			}
		}, "/"},
		"none": {func(*testing.T, *bench, *specs.Spec, string) {}, "/"},
		"mounted": {func(t *testing.T, b *bench, s *specs.Spec, etc string) {
			put(t, etc+"/passwd", "u:x:1000:1::/home/u:")
			v := b.TempDir()
			put(t, v+"/passwd", "u:x:1000:1::/mounted:")
			s.Mounts = append(s.Mounts, bindMount(v+"/passwd", "/etc/passwd"))
		}, "/mounted"},
		"in a volume": {func(t *testing.T, b *bench, s *specs.Spec, _ string) {
			v := b.TempDir()
			put(t, v+"/passwd", "u:x:1000:1::/volume:")
			s.Mounts = append(s.Mounts, bindMount(v, "/etc"))
		}, "/volume"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			s := b.spec("wait")
			s.Process.User.UID = 1000
			etc := filepath.Join(s.Root.Path, "etc")
			if err := os.Mkdir(etc, 0o755); err != nil {
				t.Fatal(err)
			}
			c.make(t, b, s, etc)
			k := b.running(s)
			env, err := os.ReadFile("/proc/" + itoa(k.Pid) + "/environ")
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Contains(strings.Split(string(env), "\x00"), "HOME="+c.want) {
				t.Errorf("first process: %q, want %s", env, c.want)
			}
			out, _ := k.exec(s.Process, "facts")
			if f := readFacts(t, out); !slices.Contains(f.Env, "HOME="+c.want) {
				t.Errorf("exec: %q, want %s", f.Env, c.want)
			}
		})
	}
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func link(t *testing.T, target, path string) {
	t.Helper()
	if err := os.Symlink(target, path); err != nil {
		t.Fatal(err)
	}
}

func TestTmpfsTakesTheModeOfWhatItCovers(t *testing.T) {
	b := newBench(t)
	s := b.spec("facts", "/there", "/made", "/given", "/cover/below")
	for _, d := range []string{"/there", "/given", "/cover/below"} {
		if err := os.MkdirAll(s.Root.Path+d, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(s.Root.Path+d, 0o710); err != nil {
			t.Fatal(err)
		}
	}
	tmpfs := func(d string, options ...string) specs.Mount {
		return specs.Mount{Destination: d, Type: "tmpfs", Source: "tmpfs", Options: options}
	}
	s.Mounts = append(s.Mounts, tmpfs("/there"), tmpfs("/made"), tmpfs("/given", "mode=1500"), tmpfs("/cover", "mode=755"), tmpfs("/cover/below"))
	f := b.create(s).facts()
	for p, want := range map[string]string{"/there": "drwx--x---", "/made": "dtrwxrwxrwx", "/given": "dtr-x------", "/cover/below": "dtrwxrwxrwx"} {
		equal(t, "mode of "+p, f.Paths[p].Mode, want)
	}
}
