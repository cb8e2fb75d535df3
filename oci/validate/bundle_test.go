// SPDX-License-Identifier: Apache-2.0

package validate

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"crisp/oci"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// bundle makes a bundle whose program is there.
func bundle(t *testing.T, change func(s *specs.Spec)) string {
	t.Helper()
	dir := t.TempDir()
	for _, d := range []string{"rootfs/bin", "rootfs/usr"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "rootfs/bin/sh"), nil, 0o755); err != nil {
		t.Fatal(err)
	}
	s := &specs.Spec{
		Version: specs.Version, Root: &specs.Root{Path: "rootfs"}, Hostname: "h",
		Process: &specs.Process{Cwd: "/", Args: []string{"sh"}, Env: []string{"PATH=/usr/bin:/bin"}},
		Mounts:  []specs.Mount{{Destination: "/proc", Type: "proc", Source: "proc"}},
		Linux: &specs.Linux{Namespaces: []specs.LinuxNamespace{
			{Type: specs.MountNamespace}, {Type: specs.PIDNamespace}, {Type: specs.UTSNamespace}, {Type: specs.IPCNamespace},
		}},
	}
	if change != nil {
		change(s)
	}
	b, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "config.json"), b, 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

// machine is one that has everything.
func machine(t *testing.T) *Machine {
	t.Helper()
	m, err := Open()
	if err != nil {
		t.Skipf("this machine cannot be probed: %v", err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

func TestGoodBundle(t *testing.T) {
	r, err := Bundle(bundle(t, nil), machine(t))
	if err != nil || len(r.Findings) != 0 || !r.Valid() {
		t.Errorf("%v, %q", err, said(r.Findings))
	}
}

func TestFilesThatAreMissing(t *testing.T) {
	for _, c := range []struct {
		change func(s *specs.Spec)
		want   string // severity scope field
	}{
		{func(s *specs.Spec) { s.Root.Path = "none" }, "error bundle root.path"},
		{func(s *specs.Spec) { s.Root.Path = "/no/such/rootfs" }, "error host root.path"},
		{func(s *specs.Spec) { s.Root.Path = "config.json" }, "error bundle root.path"},
		{func(s *specs.Spec) { s.Root.Path = "rootfs/usr" }, "warning spec root.path"},
		{func(s *specs.Spec) { s.Root.Path = "/tmp" }, "warning spec root.path"},
		{func(s *specs.Spec) {
			s.Mounts = append(s.Mounts, specs.Mount{Destination: "/a", Type: "bind", Source: "data"})
		}, "error bundle mounts[1].source"},
		{func(s *specs.Spec) {
			s.Mounts = append(s.Mounts, specs.Mount{Destination: "/a", Source: "/no/such", Options: []string{"rbind"}})
		}, "error host mounts[1].source"},
		{func(s *specs.Spec) { s.Hooks = &specs.Hooks{Poststop: []specs.Hook{{Path: "/no/such"}}} }, "error host hooks.poststop[0].path"},
		{func(s *specs.Spec) { s.Hooks = &specs.Hooks{CreateRuntime: []specs.Hook{{Path: "/etc/passwd"}}} }, "error host hooks.createRuntime[0].path"},
		{func(s *specs.Spec) { s.Hooks = &specs.Hooks{StartContainer: []specs.Hook{{Path: "/bin/none"}}} }, "warning bundle hooks.startContainer[0].path"},
		{func(s *specs.Spec) { s.Linux.Namespaces[1].Path = "/no/such" }, "error host linux.namespaces[1].path"},
		{func(s *specs.Spec) { s.Process.Args[0] = "none" }, "warning bundle process.args[0]"},
		{func(s *specs.Spec) { s.Process.Args[0] = "/bin/none" }, "warning bundle process.args[0]"},
		{func(s *specs.Spec) { s.Process.Args[0] = "/bin" }, "warning bundle process.args[0]"},
	} {
		r, err := Bundle(bundle(t, c.change), machine(t))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, f := range r.Findings {
			got = append(got, fmt.Sprint(f.Severity, " ", f.Scope, " ", f.Field))
		}
		if !slices.Contains(got, c.want) {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

// Links of the image stay in it: bin/sh is here, and on the host something else is.
func TestProgramIsLookedUpInsideTheRoot(t *testing.T) {
	dir := bundle(t, func(s *specs.Spec) { s.Process.Args[0] = "/link" })
	if err := os.Symlink("/bin/sh", filepath.Join(dir, "rootfs/link")); err != nil {
		t.Fatal(err)
	}
	r, err := Bundle(dir, machine(t))
	if err != nil || len(r.Findings) != 0 {
		t.Errorf("%v, %q", err, said(r.Findings))
	}
	if err := os.Remove(filepath.Join(dir, "rootfs/link")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, "rootfs/link")); err != nil {
		t.Fatal(err)
	}
	if r, err = Bundle(dir, machine(t)); err != nil || len(r.Findings) != 1 {
		t.Errorf("%v, %q", err, said(r.Findings))
	}
}

func TestWhatThisMachineLacks(t *testing.T) {
	m := machine(t)
	m.host.AppArmor, m.release, m.filesystems = false, [2]int{5, 10}, map[string]bool{"proc": true}
	for _, c := range []struct {
		change func(s *specs.Spec)
		want   string
	}{
		{func(s *specs.Spec) { s.Process.ApparmorProfile = "x" }, "error process.apparmorProfile"},
		{func(s *specs.Spec) {
			s.Mounts = append(s.Mounts, specs.Mount{Destination: "/a", Type: "bind", Source: "rootfs", Options: []string{"rro"}})
		}, "error mounts[1].options"},
		{func(s *specs.Spec) {
			s.Mounts = append(s.Mounts, specs.Mount{Destination: "/a", Type: "foofs", Source: "x"})
		}, "warning mounts[1].type"},
		{func(s *specs.Spec) { s.Linux.MountLabel = "x" }, "warning linux.mountLabel"},
		{func(s *specs.Spec) {
			s.Linux.Resources = &specs.LinuxResources{HugepageLimits: []specs.LinuxHugepageLimit{{Pagesize: "3KB", Limit: 1}}}
		}, "error linux.resources.hugepageLimits[0].pageSize"},
		{func(s *specs.Spec) {
			s.Linux.Resources = &specs.LinuxResources{Unified: map[string]string{"nosuch.max": "1"}}
		}, "error linux.resources.unified"},
	} {
		r, err := Bundle(bundle(t, c.change), m)
		if err != nil {
			t.Fatal(err)
		}
		found := slices.ContainsFunc(r.Findings, func(f *oci.FieldError) bool {
			return f.Scope == oci.ScopeHost && f.Severity.String()+" "+f.Field == c.want
		})
		if !found {
			t.Errorf("%q: %q is not said", said(r.Findings), c.want)
		}
	}
}

func TestConfigThatIsNoFile(t *testing.T) {
	dir := t.TempDir()
	if _, err := Bundle(dir, nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "config.json"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Bundle(dir, nil); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("a FIFO: %v", err)
	}
}

func TestReports(t *testing.T) {
	dir := t.TempDir()
	text := `{"ociVersion":"1.3.0","root":{"path":"rootfs"},"proces":{},"process":{"cwd":"tmp","args":["x"],"user":{"gid":0}},
		"linux":{"namespaces":[{"type":"mount"}]}}`
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	r, err := Bundle(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := r.WriteText(&out); err != nil {
		t.Fatal(err)
	}
	want := `error    process.user.uid: missing (config.md#posix-platform-user)
error    process.cwd: "tmp": not absolute (config.md#process)
warning  proces: unknown, ignored; did you mean "process"? (config.md#extensibility)
2 errors, 1 warning
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", &out, want)
	}
	out.Reset()
	if err := r.WriteJSON(&out, nil); err != nil {
		t.Fatal(err)
	}
	var got report
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	first := finding{"error", "spec", "process.user.uid", "config.md#posix-platform-user", "missing"}
	if got.Valid || got.Errors != 2 || got.Warnings != 1 || len(got.Findings) != 3 || got.Findings[0] != first {
		t.Errorf("got %s", &out)
	}
}
