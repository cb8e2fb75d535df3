// SPDX-License-Identifier: Apache-2.0

package checkpoint

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"crisp/oci/checkpoint/criu"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

func TestExternalMountsAreThoseOfTheHost(t *testing.T) {
	const host = `20 1 254:0 / / rw - ext4 /dev/vda rw
21 20 0:21 / /proc rw - proc proc rw
22 20 0:22 / /sys rw - sysfs sysfs rw
23 20 0:6 / /dev rw - devtmpfs devtmpfs rw
24 20 0:30 / /run rw - tmpfs tmpfs rw
25 22 0:27 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw
`
	const inside = `187 70 254:0 /srv/rootfs / ro - ext4 /dev/vda rw
188 187 0:51 / /proc rw - proc proc rw
189 187 0:52 / /dev rw - tmpfs tmpfs rw
190 189 0:55 / /dev/pts rw - devpts devpts rw
191 189 0:55 /0 /dev/console rw - devpts devpts rw
192 187 0:22 / /sys ro - sysfs sysfs rw
193 192 0:27 /c1 /sys/fs/cgroup ro - cgroup2 cgroup2 rw
194 188 0:51 /sys /proc/sys ro - proc proc rw
195 188 0:60 / /proc/acpi ro - tmpfs mask rw
196 188 0:6 /null /proc/keys ro - devtmpfs devtmpfs rw
197 187 254:0 /srv/data /data rw - ext4 /dev/vda rw
198 187 0:30 / /host-run rw - tmpfs tmpfs rw
199 187 0:52 /shm /own-shm rw - tmpfs tmpfs rw
`
	parse := func(text string) mountTable {
		m, err := parseMounts(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	got := parse(inside).external(parse(host))
	if want := []string{"/proc/keys", "/data", "/host-run"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func images(t *testing.T) *Options {
	t.Helper()
	return &Options{Images: filepath.Join(t.TempDir(), "images"), Program: "/bin/false"}
}

// criu opens files of these names for writing, and follows links.
func TestImagesWithLinksAreRefused(t *testing.T) {
	victim := filepath.Join(t.TempDir(), "victim")
	if err := os.WriteFile(victim, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, make := range map[string]func(path string) error{
		"restore.log":      func(p string) error { return os.Symlink(victim, p) },
		"dump.log":         func(p string) error { return os.Symlink("../../"+filepath.Base(victim), p) },
		"pages-1.img":      func(p string) error { return os.Symlink(victim, p) },
		"stats-restore":    func(p string) error { return os.Link(victim, p) },
		"descriptors.json": func(p string) error { return os.Symlink(victim, p) },
		"parent":           func(p string) error { return os.Symlink("/", p) },
		"core-1.img":       func(p string) error { return unix.Mkfifo(p, 0o600) },
	} {
		o := images(t)
		if err := os.Mkdir(o.Images, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := make(filepath.Join(o.Images, name)); err != nil {
			if errors.Is(err, unix.EXDEV) {
				continue
			}
			t.Fatal(err)
		}
		if _, err := o.openDirectories(); !errors.Is(err, ErrImages) {
			t.Errorf("%s: %v", name, err)
		}
		w := &Options{Images: t.TempDir(), Work: o.Images}
		d, err := w.openDirectories()
		if written := strings.HasSuffix(name, ".log") || strings.HasPrefix(name, "stats"); errors.Is(err, ErrImages) != written {
			t.Errorf("%s in the work directory: %v", name, err)
		}
		if err == nil { // it is an engine's own
			d.Close()
		}
	}
	if text, err := os.ReadFile(victim); err != nil || string(text) != "mine" {
		t.Errorf("the file outside has %q, %v", text, err)
	}
}

func TestImagesOfCriuAreTaken(t *testing.T) {
	o := images(t)
	if err := os.MkdirAll(filepath.Join(o.Images, "dir"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(o.Images, "core-1.img"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("../before", filepath.Join(o.Images, "parent")); err != nil {
		t.Fatal(err)
	}
	d, err := o.openDirectories()
	if err != nil {
		t.Fatal(err)
	}
	if err := d.reopen(); err != nil {
		t.Error(err)
	}
	d.Close()
}

func TestParentIsNamedFromTheImages(t *testing.T) {
	o := images(t)
	for _, parent := range []string{"/", "../missing"} {
		o.Parent = parent
		if _, err := o.openDirectories(); err == nil || !strings.Contains(err.Error(), "--parent-path") {
			t.Errorf("%s: %v", parent, err)
		}
	}
	if err := os.Mkdir(filepath.Join(filepath.Dir(o.Images), "missing"), 0o700); err != nil {
		t.Fatal(err)
	}
	d, err := o.openDirectories()
	if err != nil {
		t.Fatal(err)
	}
	d.Close()
}

func TestDescriptorsArePipes(t *testing.T) {
	got, err := parseDescriptors([]byte(`["pipe:[12]","/etc/passwd","pipe:[1]x"]`))
	if err != nil || !slices.Equal(got, []string{"pipe:[12]", "", ""}) {
		t.Errorf("%q, %v", got, err)
	}
	for _, bad := range []string{"", "{}", `["a","b","c","d"]`, `[1]`} {
		if got, err := parseDescriptors([]byte(bad)); err == nil {
			t.Errorf("%s: taken for %q", bad, got)
		}
	}
}

func FuzzDescriptors(f *testing.F) {
	f.Add([]byte(`["pipe:[12]","/dev/null",""]`))
	f.Fuzz(func(t *testing.T, b []byte) {
		all, err := parseDescriptors(b)
		for _, s := range all {
			if err == nil && s != "" && (!strings.HasPrefix(s, "pipe:[") || strings.ContainsAny(s, ",/ \n")) {
				t.Errorf("%q", s)
			}
		}
	})
}

// hostile makes a root file system whose links point outside, and says what is there.
func hostile(t *testing.T) (rootfs, outside string) {
	t.Helper()
	dir := t.TempDir()
	rootfs, outside = filepath.Join(dir, "rootfs"), filepath.Join(dir, "outside")
	for _, d := range []string{rootfs, outside, filepath.Join(rootfs, "real")} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, to := range map[string]string{"abs": outside, "rel": "../outside", "up": "../../..", "inside": "/real"} {
		if err := os.Symlink(to, filepath.Join(rootfs, name)); err != nil {
			t.Fatal(err)
		}
	}
	return rootfs, outside
}

func TestPlacesAreMadeInsideTheRoot(t *testing.T) {
	rootfs, outside := hostile(t)
	data := t.TempDir()
	c := &Container{Rootfs: rootfs, Spec: &specs.Spec{Mounts: []specs.Mount{
		{Destination: "/proc", Type: "proc"},
		{Destination: "/up/c", Type: "tmpfs"},
		{Destination: "/inside/d/e", Options: []string{"rbind"}, Source: "/etc/passwd"},
		{Destination: "/data", Type: "bind", Source: data},
		{Destination: "/data/nested", Type: "bind", Source: data},
		{Destination: "/tmp", Type: "tmpfs"},
		{Destination: "/tmp/saved", Type: "bind", Source: data},
		{Destination: "/cgroups", Type: "cgroup"},
	}}}
	root, err := os.OpenFile(rootfs, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if err := c.makePlaces(root); err != nil {
		t.Fatal(err)
	}
	for _, link := range []string{"/abs/a", "/rel/b"} { // to what is not there, inside
		wrong := &Container{Rootfs: rootfs, Spec: &specs.Spec{Mounts: []specs.Mount{{Destination: link, Type: "tmpfs"}}}}
		if err := wrong.makePlaces(root); err == nil {
			t.Errorf("%s was made", link)
		}
	}
	if left, err := os.ReadDir(outside); err != nil || len(left) > 0 {
		t.Errorf("outside: %v, %v", left, err)
	}
	for path, dir := range map[string]bool{"proc": true, "real/d/e": false, "data": true, "tmp": true, "c": true} {
		if info, err := os.Lstat(filepath.Join(rootfs, path)); err != nil || info.IsDir() != dir {
			t.Errorf("%s: %v, %v", path, info, err)
		}
	}
	if _, err := os.Lstat(filepath.Join(data, "nested")); err != nil {
		t.Error(err)
	}
	for _, path := range []string{"tmp/saved", "cgroups", "data/nested"} {
		if _, err := os.Lstat(filepath.Join(rootfs, path)); err == nil {
			t.Errorf("%s was made", path)
		}
	}
}

func TestMountPointsWithoutLinks(t *testing.T) {
	rootfs, _ := hostile(t)
	root, err := os.OpenFile(rootfs, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	for path, want := range map[string]string{
		"/": "/", "/real": "/real", "/inside": "/real", "/inside/x/y": "/real/x/y", "/up/real": "/real", "missing/../real": "/real", "/a//b/": "/a/b",
	} {
		if got, err := canonical(root, path); err != nil || got != want {
			t.Errorf("%s: %s, %v, want %s", path, got, err, want)
		}
	}
}

func TestCgroupRootsOfProc(t *testing.T) {
	got := cgroupRoots("4:cpu,cpuacct:/a:b\n1:name=systemd:/\n0::/c\ntorn\n")
	want := []criu.Pair{{Key: "cpu", Value: "/a:b"}, {Key: "cpuacct", Value: "/a:b"}, {Key: "name=systemd", Value: "/"}, {Key: "", Value: "/c"}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%v", got)
	}
}

func TestErrorsOfTheLogAreQuoted(t *testing.T) {
	lines := errorLines(strings.NewReader("1\n2\n3\n4\n5\n6\n7 Error a\n8\n9\nError b\n11\n"))
	want := []string{"2:2", "3:3", "4:4", "5:5", "6:6", "7:7 Error a", "8:8", "9:9", "10:Error b"}
	if !slices.Equal(lines, want) {
		t.Errorf("%q", lines)
	}
}

func TestWithoutCriu(t *testing.T) {
	t.Setenv("PATH", "/nonexistent")
	if _, err := (&Options{}).open(t.Context()); !errors.Is(err, ErrNoProgram) {
		t.Errorf("%v", err)
	}
}

func TestPageServers(t *testing.T) {
	c := &Container{Spec: &specs.Spec{}}
	for s, want := range map[string]string{"10.0.0.1:27": "10.0.0.1", "[::1]:27": "::1", "host:27": "host"} {
		q, err := (&Options{PageServer: s}).common(c)
		if err != nil || q.PageServerAddress != want || q.PageServerPort != 27 {
			t.Errorf("%s: %+v, %v", s, q, err)
		}
	}
	for _, bad := range []string{"host", ":27", "host:", "host:x", "host:65536"} {
		if _, err := (&Options{PageServer: bad}).common(c); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
}
