// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
)

const (
	testPasswd = "root:x:0:0:root:/root:/bin/sh\nwww:x:33:44::/:/bin/sh\n1000:x:7:7:a name of digits:/:/bin/sh\nwrap:x:4294967296:0::/:/\n"
	testGroup  = "root:x:0:\nwww:x:44:\nextra:x:50:root,www\nbig:x:4294967296:www\n"
)

// rootWith returns an O_PATH fd of a directory that holds the files.
func rootWith(t *testing.T, files map[string]string) *os.File {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	f, err := os.OpenFile(dir, unix.O_PATH, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func i64(v int64) *runtime.Int64Value { return &runtime.Int64Value{Value: v} }

func TestUserIsResolvedInTheImage(t *testing.T) {
	root := rootWith(t, map[string]string{"etc/passwd": testPasswd, "etc/group": testGroup})
	for name, c := range map[string]struct {
		sc    *runtime.LinuxContainerSecurityContext
		image string
		want  User
	}{
		"nothing is root with its groups": {nil, "", User{0, 0, []uint32{0, 50}}},
		"image name and its groups":       {nil, "www", User{33, 44, []uint32{44, 50}}},
		"image name and group name":       {nil, "www:extra", User{33, 50, []uint32{50}}},
		"image number:number":             {nil, "1003:1004", User{1003, 1004, []uint32{1004}}},
		"number that is somebody's name":  {nil, "1000", User{1000, 0, []uint32{0}}},
		"number of a line takes its gid":  {&runtime.LinuxContainerSecurityContext{RunAsUser: i64(33)}, "", User{33, 44, []uint32{44, 50}}},
		"same user keeps image group":     {&runtime.LinuxContainerSecurityContext{RunAsUser: i64(1003)}, "1003:1004", User{1003, 1004, []uint32{1004}}},
		"other user drops image group":    {&runtime.LinuxContainerSecurityContext{RunAsUser: i64(5)}, "1003:1004", User{5, 0, []uint32{0}}},
		"group of the pod wins":           {&runtime.LinuxContainerSecurityContext{RunAsUsername: "www", RunAsGroup: i64(9)}, "", User{33, 9, []uint32{9, 50}}},
		"strict leaves out image groups": {&runtime.LinuxContainerSecurityContext{RunAsUsername: "www", SupplementalGroups: []int64{7, 7},
			SupplementalGroupsPolicy: runtime.SupplementalGroupsPolicy_Strict}, "", User{33, 44, []uint32{44, 7}}},
	} {
		got, err := resolveUser(c.sc, c.image, root)
		if err != nil || got.UID != c.want.UID || got.GID != c.want.GID || !slices.Equal(got.Groups, c.want.Groups) {
			t.Errorf("%s: got %+v, %v; want %+v", name, got, err, c.want)
		}
	}
}

func TestUserOutOfRangeIsNeverWrapped(t *testing.T) {
	root := rootWith(t, map[string]string{"etc/passwd": testPasswd, "etc/group": testGroup})
	for _, u := range []string{"4294967296", "2147483648", "-1", "wrap", "nobody-here", "0:4294967296", "99999999999999999999", "www:no-such-group", "a\nb"} {
		if got, err := resolveUser(nil, u, root); !errors.Is(err, ErrInvalid) {
			t.Errorf("%q: got %+v, %v, want ErrInvalid", u, got, err)
		}
	}
}

func TestPasswdCannotLeaveTheImageNorHang(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(outside, []byte("evil:x:0:0::/:/\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	root := rootWith(t, map[string]string{"etc/group": ""})
	link := filepath.Join(root.Name(), "etc/passwd")
	if err := os.Symlink(outside, link); err != nil {
		t.Fatal(err)
	}
	if _, err := resolveUser(nil, "evil", root); !errors.Is(err, ErrInvalid) {
		t.Errorf("a symlink led out of the root: %v", err)
	}
	os.Remove(link)
	if err := unix.Mkfifo(link, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := resolveUser(nil, "root", root); !errors.Is(err, ErrInvalid) {
		t.Errorf("a FIFO for /etc/passwd: %v", err)
	}
	os.Remove(link)
	if err := os.WriteFile(link, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(link, maxUserFile+1); err != nil {
		t.Fatal(err)
	}
	if _, err := resolveUser(nil, "root", root); !errors.Is(err, ErrInvalid) {
		t.Errorf("a huge /etc/passwd: %v", err)
	}
}

func FuzzUserLookup(f *testing.F) {
	f.Add([]byte(testPasswd), []byte(testGroup), "www:extra")
	f.Add([]byte("a:b"), []byte(":::\n"), "4294967296:1")
	f.Fuzz(func(t *testing.T, passwd, group []byte, image string) {
		name, grp := userNames(nil, image)
		u, err := userDB{passwd, group}.lookup(name, grp)
		if err != nil {
			return
		}
		if u.UID > maxID || u.GID > maxID {
			t.Fatalf("%q gave %+v", image, u)
		}
		if id, numeric, _ := parseID("user", name); numeric && u.UID != id {
			t.Fatalf("%q became user %d", name, u.UID)
		}
	})
}
