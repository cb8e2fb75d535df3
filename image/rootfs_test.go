// SPDX-License-Identifier: Apache-2.0

package image

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"crisp/image/internal/registrytest"
	"crisp/image/internal/tartest"
)

func wantMode(t testing.TB, path string, want uint32) {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil || st.Mode&0o7777 != want {
		t.Errorf("%s has mode %o, want %o; %v", path, st.Mode&0o7777, want, err)
	}
}

func wantOwner(t testing.TB, path string, uid, gid uint32) {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil || st.Uid != uid || st.Gid != gid {
		t.Errorf("%s belongs to %d:%d, want %d:%d; %v", path, st.Uid, st.Gid, uid, gid, err)
	}
}

func TestRootfsShowsTheImageAndKeepsWrites(t *testing.T) {
	reg := registrytest.New(t)
	reg.Push(t, "app", app(t, "hello"), "v1")
	s := open(t, t.TempDir())
	im := pullIt(t, s, reg.Host+"/app:v1")
	old := unix.Umask(0o077)
	defer unix.Umask(old)
	dir := filepath.Join(t.TempDir(), "c1")
	f := rootfs(t, s, RootfsRequest{ImageID: im.ID, Dir: dir})
	if got := read(t, inside(f, "app/text")); got != "hello" {
		t.Errorf("app/text: %q", got)
	}
	if _, err := os.Lstat(inside(f, "old")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a removed file: %v", err)
	}
	wantMode(t, inside(f, "."), 0o755)
	wantMode(t, inside(f, "tmp"), 0o1777)
	wantMode(t, inside(f, "app/run"), 0o4755)
	if err := os.WriteFile(inside(f, "new"), []byte("n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f.Close()
	again := rootfs(t, s, RootfsRequest{ImageID: im.ID, Dir: dir}) // after a restart, say
	if got := read(t, inside(again, "new")); got != "n" {
		t.Errorf("new: %q", got)
	}
}

func TestRootfsInAUserNamespace(t *testing.T) {
	reg := registrytest.New(t)
	reg.Push(t, "app", registrytest.Image{Layers: [][]byte{tartest.Archive(t, entry{Name: "./", UID: 3}, entry{Name: "f", UID: 33, GID: 34}, entry{Name: "d/"})}}, "v1")
	s := open(t, t.TempDir())
	im := pullIt(t, s, reg.Host+"/app:v1")
	r := RootfsRequest{ImageID: im.ID, Dir: t.TempDir(),
		UIDMaps: []specs.LinuxIDMapping{{ContainerID: 0, HostID: 100000, Size: 65536}}, GIDMaps: []specs.LinuxIDMapping{{ContainerID: 0, HostID: 200000, Size: 65536}}}
	f := rootfs(t, s, r)
	wantOwner(t, inside(f, "f"), 100033, 200034)
	wantOwner(t, inside(f, "d"), 100000, 200000)
	wantOwner(t, inside(f, "."), 100003, 200000)
	r.Dir, r.UIDMaps = t.TempDir(), []specs.LinuxIDMapping{{ContainerID: 0, HostID: 100000, Size: 2}}
	if _, err := s.MountRootfs(r); err == nil {
		t.Error("an owner of / outside of the namespace is no error")
	}
}

func TestReadOnlyRootfs(t *testing.T) {
	reg := registrytest.New(t)
	reg.Push(t, "app", app(t, "hello"), "v1")
	reg.Push(t, "one", registrytest.Image{Layers: [][]byte{tartest.Archive(t, entry{Name: "f", Body: "x"}, entry{Name: ".wh.gone"})}}, "v1")
	reg.Push(t, "empty", registrytest.Image{Layers: [][]byte{tartest.Archive(t)}}, "v1")
	reg.Push(t, "none", registrytest.Image{}, "v1")
	s := open(t, t.TempDir())
	for repo, files := range map[string]int{"app": 3, "one": 1, "empty": 0, "none": 0} {
		im := pullIt(t, s, reg.Host+"/"+repo+":v1")
		f := rootfs(t, s, RootfsRequest{ImageID: im.ID, ReadOnly: true})
		if e, err := os.ReadDir(inside(f, ".")); err != nil || len(e) != files {
			t.Errorf("%s: %v, %v", repo, e, err)
		}
		wantMode(t, inside(f, "."), 0o755)
		if err := os.Mkdir(inside(f, "new"), 0o700); !errors.Is(err, unix.EROFS) {
			t.Errorf("%s: %v", repo, err)
		}
		w := rootfs(t, s, RootfsRequest{ImageID: im.ID, Dir: t.TempDir()})
		if e, err := os.ReadDir(inside(w, ".")); err != nil || len(e) != files {
			t.Errorf("%s, writable: %v, %v", repo, e, err)
		}
	}
}

func TestLayerThatComesTwiceIsStackedOnce(t *testing.T) {
	reg := registrytest.New(t)
	a, b := tartest.Archive(t, entry{Name: "f", Body: "a"}), tartest.Archive(t, entry{Name: "f", Body: "b"})
	reg.Push(t, "app", registrytest.Image{Layers: [][]byte{a, b, a, tartest.Archive(t), tartest.Archive(t)}}, "v1")
	s := open(t, t.TempDir())
	im := pullIt(t, s, reg.Host+"/app:v1")
	if got := read(t, inside(rootfs(t, s, RootfsRequest{ImageID: im.ID, Dir: t.TempDir()}), "f")); got != "a" {
		t.Errorf("f: %q", got)
	}
}

func TestImageVolume(t *testing.T) {
	reg := registrytest.New(t)
	reg.Push(t, "app", app(t, "hello"), "v1")
	s := open(t, t.TempDir())
	im := pullIt(t, s, reg.Host+"/app:v1")
	for sub, file := range map[string]string{"": "app/text", "app": "text", "/app/": "text", "app/text": ""} {
		f, err := s.MountReadOnly(im.ID, sub)
		if err != nil {
			t.Errorf("%q: %v", sub, err)
			continue
		}
		if got := read(t, inside(f, file)); got != "hello" {
			t.Errorf("%q: %q", sub, got)
		}
		if err := os.WriteFile(inside(f, file), nil, 0o600); !errors.Is(err, unix.EROFS) {
			t.Errorf("%q is not read-only: %v", sub, err)
		}
		f.Close()
	}
	for _, sub := range []string{"absent", "../../../etc/shadow", "app/text/x"} {
		if _, err := s.MountReadOnly(im.ID, sub); !errors.Is(err, ErrSubPath) {
			t.Errorf("%q: %v", sub, err)
		}
	}
	f, err := s.MountVolume(VolumeRequest{ImageID: im.ID, SubPath: "app", UIDMaps: []specs.LinuxIDMapping{{HostID: 100000, Size: 65536}}, GIDMaps: []specs.LinuxIDMapping{{HostID: 100000, Size: 65536}}})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	wantOwner(t, inside(f, "text"), 100000, 100000)
}

func TestMountOfAnUnknownImage(t *testing.T) {
	s := open(t, t.TempDir())
	if _, err := s.MountRootfs(RootfsRequest{ImageID: "sha256:00", Dir: t.TempDir()}); !errors.Is(err, ErrNotFound) {
		t.Errorf("err = %v", err)
	}
	if _, err := s.MountReadOnly("sha256:00", ""); !errors.Is(err, ErrNotFound) {
		t.Errorf("err = %v", err)
	}
}

func BenchmarkMountRootfs(b *testing.B) {
	reg := registrytest.New(b)
	reg.Push(b, "app", app(b, "hello"), "v1")
	s := open(b, b.TempDir())
	im := pullIt(b, s, reg.Host+"/app:v1")
	base := b.TempDir()
	for i := 0; b.Loop(); i++ {
		f, err := s.MountRootfs(RootfsRequest{ImageID: im.ID, Dir: filepath.Join(base, string(rune('a'+i%26)), string(rune('a'+i/26%26)), string(rune('a'+i/676)))})
		if err != nil {
			b.Fatal(err)
		}
		f.Close()
	}
}
