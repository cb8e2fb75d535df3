// SPDX-License-Identifier: Apache-2.0

package overlay

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"crisp/image/internal/tartest"
)

var ways = map[string]int32{"fd": byFD, "proc fd": byProcFD, "mount": byMount}

// forced is a Mounter that begins with one way. Ways that this kernel lacks fall through to the next, as they should.
func forced(t testing.TB, way int32) *Mounter {
	t.Helper()
	tartest.NeedRoot(t)
	m := &Mounter{Scratch: t.TempDir()}
	m.plain.Store(way)
	m.mapped.Store(way)
	return m
}

// layers makes n directories, each with one file of its own and one that all have; the first is the top.
func layers(t testing.TB, n int) []string {
	t.Helper()
	base := t.TempDir()
	var dirs []string
	for i := range n {
		d := filepath.Join(base, fmt.Sprintf("%s-%d", strings.Repeat("long", 16), i))
		write(t, filepath.Join(d, fmt.Sprintf("file%d", i)), "")
		write(t, filepath.Join(d, "all"), fmt.Sprint(i))
		dirs = append(dirs, d)
	}
	return dirs
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func writable(t testing.TB) *os.File {
	t.Helper()
	dir := t.TempDir()
	for _, d := range []string{"upper", "work"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	f, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// inside is a path below a detached mount, usable while the mount's descriptor is open.
func inside(f *os.File, name string) string { return procFD(f) + "/" + name }

func mounted(t testing.TB, m *Mounter, s Spec) *os.File {
	t.Helper()
	f, err := m.Mount(s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func read(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Error(err)
	}
	return string(b)
}

func TestMountStacksLayersAndWritesToUpper(t *testing.T) {
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			m := forced(t, way)
			before, _ := os.ReadFile("/proc/self/mountinfo")
			dir := writable(t)
			f := mounted(t, m, Spec{Lower: layers(t, 3), Dir: dir})
			if got := read(t, inside(f, "all")); got != "0" {
				t.Errorf("the top layer is not on top: %q", got)
			}
			for i := range 3 {
				read(t, inside(f, fmt.Sprintf("file%d", i)))
			}
			write(t, inside(f, "new"), "n")
			if err := os.Remove(inside(f, "file2")); err != nil {
				t.Error(err)
			}
			if got := read(t, filepath.Join(dir.Name(), "upper", "new")); got != "n" {
				t.Errorf("upper/new is %q", got)
			}
			if after, _ := os.ReadFile("/proc/self/mountinfo"); string(after) != string(before) {
				t.Errorf("the host's mount table changed:\n%s", after)
			}
		})
	}
}

func TestVolatileMountCanBeRepeated(t *testing.T) {
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			m := forced(t, way)
			s := Spec{Lower: layers(t, 2), Dir: writable(t), Volatile: true}
			f := mounted(t, m, s)
			write(t, inside(f, "new"), "n")
			f.Close()
			way := m.plain.Load() // this kernel's
			for _, s.Volatile = range []bool{true, false} {
				f := mounted(t, m, s)
				if got := read(t, inside(f, "new")); got != "n" {
					t.Errorf("new is %q", got)
				}
				f.Close()
			}
			if m.plain.Load() != way {
				t.Error("the mounter gave up the way")
			}
		})
	}
}

func TestMountWithoutUpperIsReadOnly(t *testing.T) {
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			f := mounted(t, forced(t, way), Spec{Lower: layers(t, 2)})
			if err := os.WriteFile(inside(f, "new"), nil, 0o600); !errors.Is(err, unix.EROFS) {
				t.Errorf("err = %v", err)
			}
		})
	}
}

func TestMountTakesManyLayersWithLongNames(t *testing.T) {
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			f := mounted(t, forced(t, way), Spec{Lower: layers(t, 400), Dir: writable(t)})
			read(t, inside(f, "file399"))
		})
	}
	if _, err := forced(t, byFD).Mount(Spec{Lower: make([]string, MaxLayers+1)}); err == nil {
		t.Error("no error for too many layers")
	}
}

func TestMountShiftsOwners(t *testing.T) {
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			m := forced(t, way)
			ns, err := UserNamespace([]specs.LinuxIDMapping{{ContainerID: 0, HostID: 100000, Size: 65536}}, []specs.LinuxIDMapping{{ContainerID: 0, HostID: 200000, Size: 65536}})
			if err != nil {
				t.Fatal(err)
			}
			defer ns.Close()
			lower := layers(t, 3)
			if err := os.Chown(filepath.Join(lower[2], "file2"), 33, 34); err != nil {
				t.Fatal(err)
			}
			dir := writable(t)
			if err := os.Chown(filepath.Join(dir.Name(), "upper"), 100000, 200000); err != nil {
				t.Fatal(err)
			}
			f := mounted(t, m, Spec{Lower: lower, Dir: dir, UserNS: ns})
			for name, want := range map[string][2]uint32{"file0": {100000, 200000}, "file2": {100033, 200034}, ".": {100000, 200000}} {
				var st unix.Stat_t
				if err := unix.Stat(inside(f, name), &st); err != nil || st.Uid != want[0] || st.Gid != want[1] {
					t.Errorf("%s belongs to %d:%d, want %v; %v", name, st.Uid, st.Gid, want, err)
				}
			}
			if err := os.Chmod(inside(f, "file2"), 0o600); err != nil { // copies it up
				t.Fatal(err)
			}
			var st unix.Stat_t
			if err := unix.Stat(filepath.Join(dir.Name(), "upper", "file2"), &st); err != nil || st.Uid != 100033 {
				t.Errorf("copied up, file2 belongs to %d; %v", st.Uid, err)
			}
		})
	}
}

func TestMountNamesWhatIsMissing(t *testing.T) {
	m := forced(t, byFD)
	if _, err := m.Mount(Spec{Lower: []string{"/nonexistent/layer"}, Dir: writable(t)}); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "/nonexistent/layer") {
		t.Errorf("err = %v", err)
	}
	if m.plain.Load() != byFD {
		t.Error("a missing layer made the mounter give up the way")
	}
}

func TestUserNamespaceHasItsMaps(t *testing.T) {
	tartest.NeedRoot(t)
	for range 3 {
		f, err := UserNamespace([]specs.LinuxIDMapping{{ContainerID: 0, HostID: 5000, Size: 10}, {ContainerID: 10, HostID: 9000, Size: 1}}, []specs.LinuxIDMapping{{ContainerID: 0, HostID: 1, Size: 1}})
		if err != nil {
			t.Fatal(err)
		}
		if to, err := os.Readlink(procFD(f)); err != nil || !strings.HasPrefix(to, "user:[") {
			t.Errorf("%s, %v", to, err)
		}
		f.Close()
	}
	if _, err := UserNamespace([]specs.LinuxIDMapping{{ContainerID: 0, HostID: 5, Size: 0}}, nil); err == nil {
		t.Error("an empty range is no error")
	}
}

func TestSubTree(t *testing.T) {
	m := forced(t, byFD)
	lower := layers(t, 2)
	write(t, filepath.Join(lower[1], "d/e/f"), "deep")
	for name, to := range map[string]string{"abs": "/d/e", "out": "../../../../../../d", "gone": "nowhere", "host": "/proc/self/root"} {
		if err := os.Symlink(to, filepath.Join(lower[1], name)); err != nil {
			t.Fatal(err)
		}
	}
	subTree := func(path string) (*os.File, error) {
		return m.SubTree(mounted(t, m, Spec{Lower: lower}), path)
	}
	for path, file := range map[string]string{"d": "e/f", "/d/e": "f", "abs": "f", "out/e": "f", "d/../d/e": "f", "../../d": "e/f"} {
		sub, err := subTree(path)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		if got := read(t, inside(sub, file)); got != "deep" {
			t.Errorf("%s: %q", path, got)
		}
		if err := os.WriteFile(inside(sub, "new"), nil, 0o600); !errors.Is(err, unix.EROFS) {
			t.Errorf("%s is not read-only: %v", path, err)
		}
		sub.Close()
	}
	if sub, err := subTree("d/e/f"); err != nil {
		t.Error(err)
	} else {
		if got := read(t, procFD(sub)); got != "deep" {
			t.Errorf("file: %q", got)
		}
		sub.Close()
	}
	for _, path := range []string{"gone", "host", "x/y", "d/e/f/g"} {
		if _, err := subTree(path); !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.ENOTDIR) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func BenchmarkMount(b *testing.B) {
	for _, n := range []int{1, 5, 20} {
		b.Run(fmt.Sprintf("layers=%d", n), func(b *testing.B) {
			m := forced(b, byFD)
			lower, dir := layers(b, n), writable(b)
			for b.Loop() {
				f, err := m.Mount(Spec{Lower: lower, Dir: dir})
				if err != nil {
					b.Fatal(err)
				}
				f.Close()
			}
		})
	}
}
