// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"crisp/conmon/plan"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// volume makes a directory with a file.
func (b *bench) volume() string {
	b.Helper()
	dir := b.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file"), []byte("content"), 0o666); err != nil {
		b.Fatal(err)
	}
	return dir
}

func bindMount(source, destination string, options ...string) specs.Mount {
	return specs.Mount{Source: source, Destination: destination, Options: append([]string{"rbind"}, options...)}
}

func TestBindMountsHaveTheirOptions(t *testing.T) {
	b := newBench(t)
	s := b.spec("facts", "/rw", "/ro", "/ro/file", "/deep/er/file", "/rel", "/noexec")
	v := b.volume()
	if err := os.Mkdir(filepath.Join(s.Root.Path, "target"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("target/below", filepath.Join(s.Root.Path, "link")); err != nil {
		t.Fatal(err)
	}
	s.Mounts = append(s.Mounts,
		bindMount(v, "/rw", "rprivate"), bindMount(v, "/ro", "ro"), bindMount(filepath.Join(v, "file"), "/deep/er/file", "ro"),
		bindMount(v, "rel"), bindMount(v, "/noexec", "noexec", "nosuid", "nodev", "noatime"), bindMount(v, "/link", "ro"),
	)
	f := b.create(s).facts()
	equal(t, "error of writing to /rw", f.Paths["/rw"].WriteError, "")
	equal(t, "content of /ro", f.Paths["/ro"].Content, "file ")
	for _, p := range []string{"/ro", "/ro/file", "/deep/er/file"} {
		if w := f.Paths[p].WriteError; !strings.Contains(w, "read-only") {
			t.Errorf("writing to %s: %q", p, w)
		}
	}
	equal(t, "content of /deep/er/file", f.Paths["/deep/er/file"].Content, "content")
	equal(t, "content of a relative destination", f.Paths["/rel"].Content, "file ")
	if m := findMount(f, "/noexec"); !strings.Contains(m, "nosuid,nodev,noexec,noatime") {
		t.Errorf("/noexec is %q", m)
	}
	if m := findMount(f, "/target/below"); m == "" {
		t.Error("the destination's symlink was not followed inside the root")
	}
}

// TestRecursiveReadOnlyReachesSubmounts makes a volume with a mount in it, in a namespace of its own.
func TestRecursiveReadOnlyReachesSubmounts(t *testing.T) {
	needsSetattr(t)
	b := newBench(t)
	v := b.volume()
	sub := filepath.Join(v, "sub")
	if err := os.Mkdir(sub, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", sub, "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(sub, unix.MNT_DETACH) })
	s := b.spec("facts", "/ro/sub", "/rro/sub", "/plain")
	s.Mounts = append(s.Mounts, bindMount(v, "/ro", "ro"), bindMount(v, "/rro", "rro"),
		specs.Mount{Source: v, Destination: "/plain", Type: "bind", Options: []string{"bind"}})
	f := b.create(s).facts()
	equal(t, "error of writing below ro", f.Paths["/ro/sub"].WriteError, "")
	if w := f.Paths["/rro/sub"].WriteError; !strings.Contains(w, "read-only") {
		t.Errorf("writing below rro: %q", w)
	}
	if findMount(f, "/plain/sub") != "" {
		t.Error("bind took the mounts below too")
	}
}

func TestPropagationIsAsAsked(t *testing.T) {
	b := newBench(t)
	v := b.volume()
	if err := unix.Mount(v, v, "", unix.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(v, unix.MNT_DETACH) })
	if err := unix.Mount("", v, "", unix.MS_SHARED, ""); err != nil {
		t.Fatal(err)
	}
	s := b.spec("facts")
	s.Linux.RootfsPropagation = "shared"
	s.Mounts = append(s.Mounts, bindMount(v, "/private", "rprivate"), bindMount(v, "/slave", "rslave"), bindMount(v, "/shared", "rshared"),
		bindMount(v, "/unbindable", "runbindable"))
	f := b.create(s).facts()
	for point, want := range map[string]string{"/private": "", "/slave": "master:", "/shared": "shared:", "/unbindable": "unbindable", "/": "shared:"} {
		fields := strings.Fields(findMount(f, point))
		if len(fields) < 8 {
			t.Errorf("%s is not mounted", point)
			continue
		}
		if got := fields[6]; (want == "" && got != "-") || !strings.HasPrefix(got, want) {
			t.Errorf("%s has %q, want %q", point, got, want)
		}
	}
	host, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(host), s.Root.Path) {
		t.Error("the container's mounts show up on the host")
	}
}

// The root file system is on a shared mount, as systemd makes them (TestMain).
func TestRootPropagation(t *testing.T) {
	b := newBench(t)
	for propagation, want := range map[string][3]string{ // of the root, of a tmpfs, of a bind mount that is asked to be private
		"": {"", "", ""}, "private": {"", "", ""}, "rprivate": {"", "", ""}, "slave": {"master:", "", ""}, "rslave": {"master:", "", ""},
		"shared": {"shared:", "", ""}, "rshared": {"shared:", "shared:", "shared:"},
		"unbindable": {"unbindable", "", ""}, "runbindable": {"unbindable", "unbindable", "unbindable"},
	} {
		s := b.spec("facts")
		s.Linux.RootfsPropagation = propagation
		s.Mounts = append(s.Mounts, specs.Mount{Destination: "/tmpfs", Type: "tmpfs", Source: "tmpfs"}, bindMount(b.volume(), "/bind", "private"))
		before := mountsBelow(t, "self", "/")
		f := b.create(s).facts()
		for i, point := range []string{"/", "/tmpfs", "/bind"} {
			fields := strings.Fields(findMount(f, point))
			if len(fields) < 8 {
				t.Errorf("%s: %s is not mounted", propagation, point)
				continue
			}
			if got := fields[6]; (want[i] == "") != (got == "-") || !strings.HasPrefix(got, want[i]) {
				t.Errorf("%s: %s has %q, want %q", propagation, point, got, want[i])
			}
		}
		equal(t, propagation+": the host's mounts", strings.Join(mountsBelow(t, "self", "/"), "\n"), strings.Join(before, "\n"))
	}
}

func TestTmpfsHasItsOptions(t *testing.T) {
	b := newBench(t)
	s := b.spec("facts", "/cache")
	s.Mounts = append(s.Mounts, specs.Mount{
		Destination: "/cache", Type: "tmpfs", Source: "tmpfs", Options: []string{"size=64k", "mode=1770", "uid=5", "noexec", "sync"},
	})
	f := b.create(s).facts()
	equal(t, "mode", f.Paths["/cache"].Mode, "dtrwxrwx---")
	equal(t, "owner", f.Paths["/cache"].UID, 5)
	if m := findMount(f, "/cache"); !strings.Contains(m, "noexec") || !strings.Contains(m, "size=64k") || !strings.Contains(m, "rw,sync") {
		t.Errorf("/cache is %q", m)
	}
}

func TestMountErrorsNameTheMount(t *testing.T) {
	b := newBench(t)
	for want, m := range map[string]specs.Mount{
		"open the source of /data: /nonexistent: OPEN_TREE: no such file": bindMount("/nonexistent", "/data"),
		"make the mount /data: FSOPEN: no such device":                    {Destination: "/data", Type: "frobfs"},
		"make the mount /data: option frob: FSCONFIG: invalid argument":   {Destination: "/data", Type: "tmpfs", Options: []string{"frob=1"}},
		"mounts[6].options: tmpcopyup: only":                              {Destination: "/data", Type: "ramfs", Options: []string{"tmpcopyup"}},
		"mount /probe/x: MKPOINT: not a directory":                        bindMount("/proc", "/probe/x"),
	} {
		s := b.spec("facts")
		s.Mounts = append(s.Mounts, m)
		_, err := b.tryCreate(s)
		if err == nil || !strings.HasPrefix(err.Error(), want[:strings.LastIndex(want, ":")]) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestGivenMountsServeSeveralContainers(t *testing.T) {
	b := newBench(t)
	tree, err := unix.OpenTree(unix.AT_FDCWD, b.volume(), unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(tree), "volume")
	defer f.Close()
	for i := range 2 {
		s := b.spec("facts", "/data")
		s.Mounts = append(s.Mounts, bindMount("given", "/data", "ro"))
		k, err := b.tryCreate(s, func(q *CreateRequest) { q.Mounts = map[string]*os.File{"/data": f} })
		if i > 0 && !kernelAtLeast(6, 15) && errors.Is(err, unix.EINVAL) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		got := k.facts().Paths["/data"]
		equal(t, "content", got.Content, "file ")
		if !strings.Contains(got.WriteError, "read-only") {
			t.Errorf("writing: %q", got.WriteError)
		}
	}
}

func TestGivenRootfsIsTheRoot(t *testing.T) {
	b := newBench(t)
	s := b.spec("facts", "/probe")
	tree, err := unix.OpenTree(unix.AT_FDCWD, s.Root.Path, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(tree), "rootfs")
	defer f.Close()
	s.Root.Path = "/nonexistent"
	k := b.create(s, func(q *CreateRequest) { q.Rootfs = f })
	equal(t, "mode of /probe", k.facts().Paths["/probe"].Mode, "-rwxr-xr-x")
}

func TestManyMounts(t *testing.T) {
	b := newBench(t)
	s := b.spec("facts", "/many/199")
	v := b.volume()
	for i := range 200 {
		s.Mounts = append(s.Mounts, bindMount(v, "/many/"+itoa(i), "ro"))
	}
	for i := range 256 {
		p := "/masked/" + itoa(i)
		if err := os.MkdirAll(s.Root.Path+p, 0o755); err != nil {
			t.Fatal(err)
		}
		s.Linux.MaskedPaths = append(s.Linux.MaskedPaths, p)
	}
	equal(t, "content of the last", b.create(s).facts().Paths["/many/199"].Content, "file ")
}

// TestMountsDoNotShowUpOnTheHost: a copy of a shared mount is its peer, unless something is done about it.
func TestMountsDoNotShowUpOnTheHost(t *testing.T) {
	b := newBench(t)
	before, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(before), " shared:") {
		t.Fatal("the tests want shared mounts")
	}
	for _, userns := range []bool{false, true} {
		s := b.spec("wait")
		v := b.volume()
		for _, d := range []string{"below", "below2"} {
			if err := os.Mkdir(filepath.Join(v, d), 0o777); err != nil {
				t.Fatal(err)
			}
		}
		s.Mounts = append(s.Mounts, bindMount(v, "/v"), bindMount(v, "/v/below"),
			specs.Mount{Destination: "/v/below2", Type: "tmpfs"}, bindMount("/sys/kernel", "/k"), bindMount(v, "/p", "private"))
		s.Linux.MaskedPaths = append(s.Linux.MaskedPaths, "/v/file")
		s.Linux.ReadonlyPaths = append(s.Linux.ReadonlyPaths, "/v/below")
		if userns {
			b.inUserNamespace(s)
			s.Linux.Namespaces = without(s, specs.NetworkNamespace, specs.PIDNamespace)
		}
		tree, err := unix.OpenTree(unix.AT_FDCWD, s.Root.Path, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
		if err != nil {
			t.Fatal(err)
		}
		rootfs := os.NewFile(uintptr(tree), "rootfs")
		b.create(s)
		s.Linux.CgroupsPath += "-given"
		b.create(s, func(q *CreateRequest) { q.Rootfs = rootfs })
		rootfs.Close()
		after, err := os.ReadFile("/proc/self/mountinfo")
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "mounts of the host", string(after), string(before))
	}
}

// TestReadOnlyTmpfsIsSealedInTheEnd: what comes later may need mount points in it.
func TestReadOnlyTmpfsIsSealedInTheEnd(t *testing.T) {
	b := newBench(t)
	s := b.spec("facts", "/cache", "/cache/volume", "/dev", "/dev/null")
	for i := range s.Mounts {
		if s.Mounts[i].Destination == "/dev" {
			s.Mounts[i].Options = append(s.Mounts[i].Options, "ro")
		}
	}
	s.Mounts = append(s.Mounts, specs.Mount{Destination: "/cache", Type: "tmpfs", Source: "tmpfs", Options: []string{"ro", "nosuid"}},
		bindMount(b.volume(), "/cache/volume"))
	f := b.create(s).facts()
	for _, p := range []string{"/cache", "/dev"} {
		if w := f.Paths[p].WriteError; !strings.Contains(w, "read-only") {
			t.Errorf("writing to %s: %q", p, w)
		}
	}
	equal(t, "error of writing to the volume", f.Paths["/cache/volume"].WriteError, "")
	equal(t, "/dev/null", f.Paths["/dev/null"].Rdev, "1:3")
}

// TestSourceInTheRootIsSeenAsTheContainerDoes: with the mounts that were made there before; a destination may be given as a path of the host.
func TestSourceInTheRootIsSeenAsTheContainerDoes(t *testing.T) {
	for _, userns := range []bool{false, true} {
		b := newBench(t)
		s := b.spec("facts", "/final/x/file", "/linked/file")
		if userns {
			b.inUserNamespace(s)
		}
		host, check := b.trap()
		if err := os.Symlink(host, filepath.Join(s.Root.Path, "link")); err != nil {
			t.Fatal(err)
		}
		root := s.Root.Path
		s.Mounts = append(s.Mounts, bindMount(b.volume(), "/mnt/x"), bindMount(root+"/mnt", root+"/final"))
		k := b.create(s)
		f := k.facts()
		equal(t, "content", f.Paths["/final/x/file"].Content, "content")
		s.Mounts = append(s.Mounts, bindMount(root+"/link", "/linked"))
		s.Linux.CgroupsPath += "-2"
		if _, err := b.tryCreate(s); err == nil {
			t.Error("a symlink of the image led to the host")
		}
		check()
	}
}

// TestUserNamespaceKeepsTheFlagsOfTheSource: what the host took off stays off, and an option that wants it back is refused.
func TestUserNamespaceKeepsTheFlagsOfTheSource(t *testing.T) {
	b := newBench(t)
	v := b.volume()
	if err := unix.Mount(v, v, "", unix.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(v, unix.MNT_DETACH) })
	if err := unix.Mount("", v, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_NOEXEC|unix.MS_NOSUID|unix.MS_RDONLY|unix.MS_NOATIME, ""); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		userns  bool
		options []string
		want    string // flags; "" refused
	}{
		{false, nil, "ro,nosuid,noexec,noatime"}, {false, []string{"nodev"}, "rw,nodev,noatime"}, {false, []string{"relatime"}, "rw,relatime"},
		{true, nil, "ro,nosuid,noexec,noatime"}, {true, []string{"nodev"}, "ro,nosuid,nodev,noexec,noatime"}, {true, []string{"exec"}, ""},
		{true, []string{"rw"}, ""}, {true, []string{"relatime"}, ""}, {true, []string{"noatime"}, "ro,nosuid,noexec,noatime"},
	} {
		s := b.spec("facts")
		if c.userns {
			b.inUserNamespace(s)
		}
		s.Mounts = append(s.Mounts, bindMount(v, "/v", c.options...))
		k, err := b.tryCreate(s)
		if c.want == "" {
			if !errors.Is(err, unix.EPERM) {
				t.Errorf("%v: %v, want EPERM", c.options, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%v, %v: %v", c.userns, c.options, err)
			continue
		}
		fields := strings.Fields(findMount(k.facts(), "/v"))
		if len(fields) < 6 || fields[5] != c.want {
			t.Errorf("%v, %v: %v, want %s", c.userns, c.options, fields, c.want)
		}
	}
}

func TestTmpfsCopiesUpWhatItCovers(t *testing.T) {
	for _, userns := range []bool{false, true} {
		b := newBench(t)
		s := b.spec("facts", "/dir", "/dir/sub", "/dir/file", "/dir/link")
		owner := 0
		if userns {
			b.inUserNamespace(s)
			owner = 200_000
		}
		dir := s.Root.Path + "/dir"
		if err := errors.Join(os.MkdirAll(dir+"/sub", 0o755), os.Chmod(dir+"/sub", 0o777), os.WriteFile(dir+"/file", []byte("content"), 0o640),
			os.Chown(dir+"/file", owner+5, owner+6), os.Symlink("/etc/x", dir+"/link"), os.Chown(dir, owner+1, owner+2)); err != nil {
			t.Fatal(err)
		}
		s.Mounts = append(s.Mounts, specs.Mount{Destination: "/dir", Type: "tmpfs", Source: "tmpfs", Options: []string{"tmpcopyup", "size=1m"}})
		s.Process.Capabilities.Effective = append(s.Process.Capabilities.Effective, "CAP_DAC_OVERRIDE")
		f := b.create(s).facts()
		equal(t, "owner of the directory", f.Paths["/dir"].UID, 1)
		equal(t, "mode", f.Paths["/dir/sub"].Mode, "drwxrwxrwx")
		equal(t, "content", f.Paths["/dir/file"].Content, "content")
		equal(t, "owner", f.Paths["/dir/file"].UID, 5)
		equal(t, "group", f.Paths["/dir/file"].GID, 6)
		equal(t, "symlink", f.Paths["/dir/link"].Link, "/etc/x")
		if m := findMount(f, "/dir"); !strings.Contains(m, "tmpfs") {
			t.Errorf("/dir is %q", m)
		}
	}
}

func TestFailedCopyUpLeavesNothing(t *testing.T) {
	b := newBench(t)
	s := b.spec("facts")
	if err := errors.Join(os.Mkdir(s.Root.Path+"/dir", 0o755), os.WriteFile(s.Root.Path+"/dir/big", make([]byte, 1<<20), 0o644)); err != nil {
		t.Fatal(err)
	}
	s.Mounts = append(s.Mounts, specs.Mount{Destination: "/dir", Type: "tmpfs", Options: []string{"tmpcopyup", "size=64k"}})
	if _, err := b.tryCreate(s); !errors.Is(err, unix.ENOSPC) || !strings.Contains(err.Error(), "mount /dir: tmpcopyup: big") {
		t.Errorf("%v", err)
	}
	b.untilForgotten()
}

// Programs, and runtime-tools' "mounts", go by the order in mountinfo, which since Linux 6.8 is that in which mounts were made.
func TestMountsAreListedInTheOrderOfTheSpec(t *testing.T) {
	b := newBench(t)
	s := b.spec("facts")
	v := b.volume()
	s.Mounts = append(s.Mounts,
		specs.Mount{Destination: "/a", Type: "tmpfs", Source: "tmpfs"}, bindMount(v, "/b"), specs.Mount{Destination: "/c", Type: "tmpfs", Source: "tmpfs"},
		bindMount(v, "/d", "rshared"), specs.Mount{Destination: "/e", Type: "mqueue", Source: "mqueue"}, bindMount(v, "/f", "ro"))
	var order []string
	for _, line := range b.create(s).facts().Mounts {
		p := strings.Fields(line)[4]
		if slices.ContainsFunc(s.Mounts, func(m specs.Mount) bool { return m.Destination == p }) || p == "/" {
			order = append(order, p)
		}
	}
	want := []string{"/"}
	for _, m := range s.Mounts {
		want = append(want, m.Destination)
	}
	equal(t, "order", strings.Join(order, " "), strings.Join(want, " "))
}

// What is of a file system that is there already is ignored, as the kernel does, and said.
func TestDataOptionsOfABindMountAreIgnored(t *testing.T) {
	b := newBench(t)
	s := b.spec("facts")
	s.Mounts = append(s.Mounts, bindMount(b.volume(), "/data", "nosuid", "mode=755", "size=1k", "shared"))
	if m := findMount(b.create(s).facts(), "/data"); !strings.Contains(m, "nosuid") || !strings.Contains(m, "shared:") {
		t.Errorf("/data is %q", m)
	}
	c, err := Compile(s, CompileOptions{Host: b.runtime.host})
	if err != nil || len(c.Warnings) != 2 || !strings.Contains(c.Warnings[1], `"size"`) {
		t.Errorf("warnings %q, %v", c.Warnings, err)
	}
}

// A spec may have hundreds of mounts: each holds a register until it is attached.
func TestHundredsOfMountsAtOnce(t *testing.T) {
	b := newBench(t)
	s := b.spec("facts")
	v := b.volume()
	const many = 450
	for i := range many {
		s.Mounts = append(s.Mounts, bindMount(v, "/v/"+itoa(i), "ro"))
	}
	n := 0
	for _, line := range b.create(s).facts().Mounts {
		if strings.HasPrefix(strings.Fields(line)[4], "/v/") {
			n++
		}
	}
	equal(t, "mounts", n, many)
	for i := range many {
		s.Mounts = append(s.Mounts, bindMount(v, "/w/"+itoa(i)))
	}
	if _, err := b.tryCreate(s); !errors.Is(err, plan.ErrLimit) || !strings.Contains(err.Error(), "/w/") {
		t.Errorf("with %d mounts: %v", len(s.Mounts), err)
	}
}

// As in crun.
func TestMountsOfSymlinks(t *testing.T) {
	b := newBench(t)
	for name, change := range map[string]func(*specs.Spec){
		"root":             func(*specs.Spec) {},
		"a user namespace": func(s *specs.Spec) { b.inUserNamespace(s) },
	} {
		t.Run(name, func(t *testing.T) {
			v := b.volume()
			s := b.spec("facts", "/source", "/followed", "/link", "/covered", "/deep/er/copy", "/copied", "/target")
			change(s)
			for link, to := range map[string]string{v + "/link": "file", s.Root.Path + "/covered": "target"} {
				if err := os.Symlink(to, link); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.WriteFile(s.Root.Path+"/target", []byte("the image's"), 0o644); err != nil {
				t.Fatal(err)
			}
			s.Mounts = append(s.Mounts, bindMount(v+"/link", "/source", "src-nofollow"), bindMount(v+"/link", "/followed"),
				bindMount(v+"/file", "/covered", "dest-nofollow"), bindMount(v+"/file", "/made", "dest-nofollow"),
				bindMount(v+"/link", "/deep/er/copy", "copy-symlink"), bindMount(v+"/file", "/copied", "copy-symlink"))
			f := b.create(s).facts()
			equal(t, "a source that is a link", f.Paths["/source"].Link, "file")
			equal(t, "a source that is followed", f.Paths["/followed"].Content, "content")
			equal(t, "a destination that is a link", f.Paths["/covered"].Content, "content")
			equal(t, "and is not one any more", f.Paths["/covered"].Link, "")
			equal(t, "where it leads", f.Paths["/target"].Content, "the image's")
			equal(t, "a copied link", f.Paths["/deep/er/copy"].Link, "file")
			equal(t, "what is no link", f.Paths["/copied"].Content, "content")
			if findMount(f, "/made") == "" {
				t.Error("/made is not mounted")
			}
		})
	}
}
