// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// machine is one that is prepared already: a unit test installs and downloads nothing.
func machine(t *testing.T) *Machine {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("a virtual machine needs root")
	}
	cache, err := cacheDir()
	if err != nil {
		t.Fatal(err)
	}
	kernels, err := filepath.Glob(filepath.Join(cache, "linux-image-*", "initramfs"))
	if err != nil {
		t.Fatal(err)
	}
	programs, _ := missing()
	if len(kernels) == 0 || len(programs) > 0 {
		t.Skip("the virtual machine is not prepared (make test-vm does it)")
	}
	m, err := New(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestGuestRunsACommandOnTheHostsFiles(t *testing.T) {
	m := machine(t)
	var stdout, stderr bytes.Buffer
	dir := t.TempDir()
	script := `stat -fc %T /sys/fs/cgroup; cat /sys/module/apparmor/parameters/enabled; echo "$WORD"; pwd; echo "it's" >&2; echo new >file
		echo gone >/etc/crisp-vm-test; exit 3`
	code, err := m.Run(t.Context(), Job{
		Args: []string{"/bin/sh", "-c", script}, Dir: dir, Env: []string{"WORD=two  words'\"$"}, Writable: []string{dir},
		Stdout: &stdout, Stderr: &stderr, Timeout: 3 * time.Minute,
	})
	if err != nil || code != 3 {
		t.Fatalf("code %d, %v", code, err)
	}
	if got, want := stdout.String(), "cgroup2fs\nY\ntwo  words'\"$\n"+dir+"\n"; got != want {
		t.Errorf("stdout %q, not %q", got, want)
	}
	if stderr.String() != "it's\n" {
		t.Errorf("stderr %q", &stderr)
	}
	if text, err := os.ReadFile(filepath.Join(dir, "file")); string(text) != "new\n" {
		t.Errorf("the writable directory's file: %q, %v", text, err)
	}
	if exists("/etc/crisp-vm-test") {
		t.Error("the guest wrote to the host")
		os.Remove("/etc/crisp-vm-test")
	}
}

func TestGuestsTimeIsBounded(t *testing.T) {
	m := machine(t)
	_, err := m.Run(t.Context(), Job{Args: []string{"/bin/true"}, Timeout: 50 * time.Millisecond})
	if !errors.Is(err, ErrTimeout) {
		t.Error(err)
	}
}

func TestPayloadIsFound(t *testing.T) {
	image := make([]byte, 4096)
	copy(image[0x202:], "HdrS")
	image[0x1f1] = 1
	binary.LittleEndian.PutUint32(image[0x248:], 16)
	binary.LittleEndian.PutUint32(image[0x24c:], 20)
	copy(image[1024+16:], "\xfd7zXZ and the rest")
	payload, program, err := findPayload(image)
	if err != nil || program != "xz" || string(payload) != "\xfd7zXZ and the re" {
		t.Errorf("%q %s %v", payload, program, err)
	}
	copy(image[1024+16:], "gzip")
	if _, _, err := findPayload(image); err == nil {
		t.Error("an unknown compression is accepted")
	}
	binary.LittleEndian.PutUint32(image[0x24c:], 4000)
	if _, _, err := findPayload(image); err == nil {
		t.Error("a payload past the end is accepted")
	}
}

func FuzzFindPayload(f *testing.F) {
	f.Add(make([]byte, 0x250))
	f.Fuzz(func(t *testing.T, image []byte) {
		if payload, _, err := findPayload(image); err == nil && len(payload) == 0 {
			t.Error("an empty payload")
		}
	})
}

func TestMetaPackageNamesTheKernel(t *testing.T) {
	text := "linux-image-cloud-amd64\n  Depends: linux-base\n  Depends: linux-image-6.1.0-51-cloud-amd64\n    linux-image-6.1.0-51-cloud-amd64-unsigned\n"
	if got := imageOf(text); got != "linux-image-6.1.0-51-cloud-amd64" {
		t.Error(got)
	}
	if got := imageOf("linux-image-amd64\n  Depends: linux-image-\n"); got != "" {
		t.Error(got)
	}
}

func TestModulesComeWithTheirDependencies(t *testing.T) {
	dep := "kernel/fs/ext4/ext4.ko: kernel/lib/crc16.ko kernel/fs/mbcache.ko\nkernel/lib/crc16.ko:\nkernel/fs/not_ext4.ko:\n"
	want := []string{"kernel/fs/ext4/ext4.ko", "kernel/fs/mbcache.ko", "kernel/lib/crc16.ko"}
	if got := moduleFiles(dep, []string{"ext4", "overlay"}); !slices.Equal(got, want) {
		t.Error(got)
	}
}

func TestArchiveIsCpios(t *testing.T) {
	var b bytes.Buffer
	a := archive{w: &b}
	a.parents("a/b/c", map[string]bool{})
	a.file("a/b/c", 0o755, []byte("12345"))
	if err := a.close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat("/bin/busybox"); err != nil {
		t.Skip("needs busybox, to read the archive")
	}
	dir := t.TempDir()
	cmd := command(context.Background(), dir, "/bin/busybox", "cpio", "-id")
	cmd.Stdin = &b
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	info, err := os.Stat(filepath.Join(dir, "a/b/c"))
	if err != nil || info.Size() != 5 || info.Mode().Perm() != 0o755 {
		t.Errorf("%v, %v", info, err)
	}
}

func TestQuotedWordsAreTheShellsOwn(t *testing.T) {
	for _, s := range []string{"", "a b", "it's", "$HOME `id` \\ \"", "a\nb"} {
		out, err := exec.Command("/bin/sh", "-c", "printf %s "+quote(s)).Output()
		if err != nil || string(out) != s {
			t.Errorf("%q: %q, %v", s, out, err)
		}
	}
	for name, want := range map[string]bool{"A_1": true, "1A": false, "": false, "BASH_FUNC_x%%": false, "_": true} {
		if isName(name) != want {
			t.Errorf("isName(%q) is %t", name, !want)
		}
	}
}

func TestScriptsAreShell(t *testing.T) {
	for name, script := range map[string]string{"init": initScript, "boot": bootScript, "job": "job() { :; }\n" + jobScript} {
		cmd := exec.Command("/bin/sh", "-n")
		cmd.Stdin = strings.NewReader(script)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %s", name, err, out)
		}
	}
}
