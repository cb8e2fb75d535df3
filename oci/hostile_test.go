// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// trap is a directory of the host that no container may touch.
func (b *bench) trap() (dir string, check func()) {
	b.Helper()
	dir = b.TempDir()
	for _, d := range []string{"dev", "proc", "sys", "etc", "work"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
			b.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "file"), []byte("host"), 0o644); err != nil {
		b.Fatal(err)
	}
	before := walk(b, dir)
	return dir, func() {
		b.Helper()
		if after := walk(b, dir); after != before {
			b.Errorf("the host was changed:\n%s\nbefore:\n%s", after, before)
		}
	}
}

// TestSymlinksOfTheImageDoNotLeadToTheHost plants a symlink to the host at each path that setting up a container touches
// (CVE-2026-41579, CVE-2026-47766, CVE-2019-19921, CVE-2021-30465, CVE-2024-5154).
func TestSymlinksOfTheImageDoNotLeadToTheHost(t *testing.T) {
	b := newBench(t)
	v := b.volume()
	for _, link := range []string{"dev", "proc", "sys", "etc", "work", "volumes", "volumes/x", "etc/hosts", "dev/pts", "secret", "run/dir"} {
		for _, up := range []string{"", "../../../../../../../../.."} {
			t.Run(fmt.Sprintf("%s to %q", link, up), func(t *testing.T) {
				host, check := b.trap()
				s := b.spec("facts")
				s.Process.Cwd = "/work/deep"
				s.Mounts = append(s.Mounts, bindMount(v, "/volumes/x/y", "ro"), bindMount(filepath.Join(v, "file"), "/etc/hosts"))
				s.Linux.Devices = []specs.LinuxDevice{{Path: "/run/dir/device", Type: "c", Major: 1, Minor: 3}}
				s.Linux.MaskedPaths = append(s.Linux.MaskedPaths, "/secret", "/secret/file")
				s.Linux.ReadonlyPaths = append(s.Linux.ReadonlyPaths, "/secret", "/etc")
				at := filepath.Join(s.Root.Path, link)
				if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.Symlink(up+host, at); err != nil {
					t.Fatal(err)
				}
				k, err := b.tryCreate(s)
				if err == nil {
					k.run()
				}
				refused := err != nil && (link == "proc" || link == "sys")
				if err != nil && !refused {
					t.Errorf("refused: %v", err)
				}
				if !refused && (link == "proc" || link == "sys") {
					t.Error("a file system of the kernel was mounted through a symlink")
				}
				check()
			})
		}
	}
}

// TestNullDeviceOfTheImageIsNotTrusted: a mask must not be whatever the image has as /dev/null (CVE-2025-31133), nor must stdin.
func TestNullDeviceOfTheImageIsNotTrusted(t *testing.T) {
	b := newBench(t)
	host, check := b.trap()
	s := b.spec("facts", "/secret")
	s.Mounts = s.Mounts[:1] // proc: the image's /dev stays
	if err := os.WriteFile(filepath.Join(s.Root.Path, "secret"), []byte("secret"), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(s.Root.Path, "dev"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(host, "file"), filepath.Join(s.Root.Path, "dev/null")); err != nil {
		t.Fatal(err)
	}
	s.Linux.MaskedPaths = []string{"/secret"}
	if _, err := b.tryCreate(s); err == nil || !strings.HasPrefix(err.Error(), "make the device /dev/null: ") {
		t.Errorf("a symlink in place of a device: %v", err)
	}
	if err := os.Remove(filepath.Join(s.Root.Path, "dev/null")); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mknod(filepath.Join(s.Root.Path, "dev/null"), unix.S_IFCHR|0o666, int(unix.Mkdev(1, 1))); err != nil {
		t.Fatal(err)
	}
	if _, err := b.tryCreate(s); err == nil || !strings.HasPrefix(err.Error(), "make the device /dev/null: ") {
		t.Errorf("/dev/mem in place of /dev/null: %v", err)
	}
	check()
}

// TestProcOfTheContainerDoesNotTakeOurWrites: a volume on /proc/sys is where sysctls would go by path (CVE-2019-16884, CVE-2025-52881).
func TestProcOfTheContainerDoesNotTakeOurWrites(t *testing.T) {
	b := newBench(t)
	v := b.TempDir()
	fake := filepath.Join(v, "kernel/shmmax")
	if err := os.MkdirAll(filepath.Dir(fake), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(fake, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	s := b.spec("facts")
	s.Linux.ReadonlyPaths = nil
	s.Mounts = append(s.Mounts, bindMount(v, "/proc/sys"))
	s.Linux.Sysctl = map[string]string{"kernel.shmmax": "4567"}
	b.create(s).facts()
	if got, err := os.ReadFile(fake); err != nil || len(got) != 0 {
		t.Errorf("the volume got %q, %v", got, err)
	}
}

// TestRacingSymlinkDoesNotLeadToTheHost exchanges a directory of a volume for a symlink to the host all the time, while containers
// are created with a mount point below it (CVE-2021-30465, CVE-2024-45310).
func TestRacingSymlinkDoesNotLeadToTheHost(t *testing.T) {
	b := newBench(t)
	host, check := b.trap()
	v, other := b.TempDir(), b.volume()
	for _, err := range []error{
		os.Mkdir(filepath.Join(v, "a"), 0o755), os.Symlink("../../../../../../../.."+host, filepath.Join(v, "b")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	var stop atomic.Bool
	done := make(chan struct{})
	go func() {
		defer close(done)
		for !stop.Load() {
			_ = unix.Renameat2(unix.AT_FDCWD, filepath.Join(v, "a"), unix.AT_FDCWD, filepath.Join(v, "b"), unix.RENAME_EXCHANGE)
		}
	}()
	defer func() { stop.Store(true); <-done; check() }()
	rounds := 40
	if testing.Short() { // an emulated machine
		rounds = 3
	}
	for range rounds {
		s := b.spec("facts")
		s.Mounts = append(s.Mounts, bindMount(v, "/volume"), bindMount(other, "/volume/a/x/y"),
			bindMount(filepath.Join(other, "file"), "/volume/b/z"))
		if k, err := b.tryCreate(s); err == nil { // an error is all right: the directory was the link just then
			k.run()
		}
	}
}

func TestWorkingDirectoryIsInsideTheRoot(t *testing.T) {
	b := newBench(t)
	for _, cwd := range []string{"/proc/self/fd/7", "/proc/self/fd/3", "/proc/self/cwd/../../..", "/proc/1/root/../.."} {
		s := b.spec("facts")
		s.Process.Cwd = cwd
		k, err := b.tryCreate(s)
		if err != nil {
			continue
		}
		if got := k.facts().Cwd; got != "/" && got != "/proc" {
			t.Errorf("%s leads to %s", cwd, got)
		}
	}
}
