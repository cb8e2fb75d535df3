// SPDX-License-Identifier: Apache-2.0

package netns

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"crisp/network/internal/isolate"
)

const podA = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

func openPins(t testing.TB) *Pins {
	t.Helper()
	isolate.Need(t)
	p, err := OpenPins(filepath.Join(t.TempDir(), "netns"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ids, err := p.List()
		if err != nil {
			t.Error(err)
		}
		for _, id := range ids {
			if err := p.Remove(id); err != nil {
				t.Error(err)
			}
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// inode identifies a namespace.
func inode(t *testing.T, path string) uint64 {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		t.Fatalf("stat %s: %v", path, err)
	}
	return st.Ino
}

func TestNewNamespaceIsAnotherOneWithLoopbackUp(t *testing.T) {
	p := openPins(t)
	path, err := p.New(podA)
	if err != nil {
		t.Fatal(err)
	}
	if inode(t, path) == inode(t, "/proc/self/ns/net") {
		t.Fatal("the pin is of the test's own namespace")
	}
	ns, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer ns.Close()
	err = Enter(ns, func() error {
		links, err := net.Interfaces()
		if err != nil {
			return err
		}
		if len(links) != 1 || links[0].Flags&net.FlagUp == 0 {
			t.Errorf("interfaces %+v, want lo and up", links)
		}
		l, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			return err
		}
		return l.Close()
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestNewTwiceGivesTheSameNamespace(t *testing.T) {
	p := openPins(t)
	first, err := p.New(podA)
	if err != nil {
		t.Fatal(err)
	}
	ino := inode(t, first)
	second, err := p.New(podA)
	if err != nil {
		t.Fatal(err)
	}
	if second != first || inode(t, second) != ino {
		t.Errorf("second call gave %s (%d), first %s (%d)", second, inode(t, second), first, ino)
	}
}

func TestNewFinishesAfterACrashBeforeTheMount(t *testing.T) {
	p := openPins(t)
	if err := os.WriteFile(p.Path(podA), nil, 0o444); err != nil {
		t.Fatal(err)
	}
	path, err := p.New(podA)
	if err != nil {
		t.Fatal(err)
	}
	ns, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	ns.Close()
}

func TestRemoveIsIdempotentInEachState(t *testing.T) {
	p := openPins(t)
	for name, prepare := range map[string]func() error{
		"absent":     func() error { return nil },
		"empty file": func() error { return os.WriteFile(p.Path(podA), nil, 0o444) },
		"pinned":     func() error { _, err := p.New(podA); return err },
		"two mounts": func() error {
			path, err := p.New(podA)
			if err != nil {
				return err
			}
			return bind(own, path)
		},
	} {
		if err := prepare(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for range 2 {
			if err := p.Remove(podA); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if _, err := os.Lstat(p.Path(podA)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: the file is still there (%v)", name, err)
		}
	}
}

// A copy of the mount table that somebody else holds must neither keep the file nor the namespace.
func TestRemoveWhileAnotherMountNamespaceHasACopy(t *testing.T) {
	p := openPins(t)
	path, err := p.New(podA)
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command("sleep", "60")
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { c.Process.Kill(); c.Wait() }()
	if err := p.Remove(podA); err != nil {
		t.Fatal(err)
	}
	mounts, err := os.ReadFile("/proc/" + strconv.Itoa(c.Process.Pid) + "/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(mounts), path) {
		t.Error("the pin is still mounted in the other mount namespace")
	}
}

func TestPinsDoNotPropagate(t *testing.T) {
	isolate.Need(t)
	shared := t.TempDir()
	if err := unix.Mount(shared, shared, "", unix.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	defer unix.Unmount(shared, unix.MNT_DETACH)
	if err := unix.Mount("", shared, "", unix.MS_SHARED, ""); err != nil {
		t.Fatal(err)
	}
	peer := t.TempDir()
	if err := unix.Mount(shared, peer, "", unix.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	defer unix.Unmount(peer, unix.MNT_DETACH)
	p, err := OpenPins(filepath.Join(shared, "netns"))
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Unmount(filepath.Join(peer, "netns"), unix.MNT_DETACH)
	defer p.Close()
	defer p.Remove(podA)
	if _, err := p.New(podA); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(filepath.Join(peer, "netns", podA)); !errors.Is(err, ErrNoNamespace) {
		t.Errorf("the pin was propagated: %v", err)
	}
}

func TestPinOfAForeignNamespace(t *testing.T) {
	p := openPins(t)
	c := exec.Command("sleep", "60")
	c.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: 100000, Size: 65536}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: 100000, Size: 65536}},
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { c.Process.Kill(); c.Wait() }()
	ns, err := Open("/proc/" + strconv.Itoa(c.Process.Pid) + "/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	defer ns.Close()
	path, err := p.Pin(podA, ns)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := p.Pin(podA, ns); err != nil || again != path {
		t.Errorf("pinned again: %s, %v", again, err)
	}
	err = Enter(ns, func() error {
		lo, err := net.InterfaceByName("lo")
		if err == nil && lo.Flags&net.FlagUp == 0 {
			t.Error("lo is down")
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	mine, err := Open("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	defer mine.Close()
	if _, err := p.Pin(podA, mine); !errors.Is(err, ErrPinned) {
		t.Errorf("another namespace under the same ID: %v, want ErrPinned", err)
	}
}

func TestPinRefusesOtherFiles(t *testing.T) {
	p := openPins(t)
	for _, path := range []string{"/dev/null", "/proc/self/ns/mnt", t.TempDir()} {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Pin(podA, f); !errors.Is(err, ErrNoNamespace) {
			t.Errorf("pin of %s: %v, want ErrNoNamespace", path, err)
		}
		f.Close()
	}
}

func TestListAfterRestart(t *testing.T) {
	p := openPins(t)
	podB := strings.Repeat("b", 64)
	for _, id := range []string{podA, podB} {
		if _, err := p.New(id); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(p.dir, "README"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	defer os.Remove(filepath.Join(p.dir, "README"))
	if err := p.Close(); err != nil { // with pins it must leave everything
		t.Fatal(err)
	}
	again, err := OpenPins(p.dir)
	if err != nil {
		t.Fatal(err)
	}
	ids, err := again.List()
	if err != nil || !slices.Equal(ids, []string{podA, podB}) {
		t.Errorf("list: %v, %v", ids, err)
	}
	ns, err := Open(again.Path(podB))
	if err != nil {
		t.Fatal(err)
	}
	ns.Close()
}

func TestInvalidIDsAreRefused(t *testing.T) {
	p := openPins(t)
	for _, id := range []string{"", ".", "..", "../../../etc/x", "abc", podA + "a", strings.ToUpper(podA), "aaaaaaaaaa/a", "aaaaaaaaaaa\x00"} {
		if _, err := p.New(id); !errors.Is(err, ErrInvalidID) {
			t.Errorf("new %q: %v", id, err)
		}
		if err := p.Remove(id); !errors.Is(err, ErrInvalidID) {
			t.Errorf("remove %q: %v", id, err)
		}
	}
}

// No thread may stay in a foreign namespace: goroutines of the daemon would run there.
func TestNoThreadIsLeftInANamespace(t *testing.T) {
	p := openPins(t)
	home := inode(t, "/proc/self/ns/net")
	var wg sync.WaitGroup
	for i := range 8 {
		id := strings.Repeat(string("abcdef01"[i]), 64)
		wg.Go(func() {
			path, err := p.New(id)
			if err != nil {
				t.Error(err)
				return
			}
			ns, err := Open(path)
			if err != nil {
				t.Error(err)
				return
			}
			defer ns.Close()
			if err := Enter(ns, func() error { return errors.New("ends with an error") }); err == nil {
				t.Error("the error is lost")
			}
		})
	}
	wg.Wait()
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range tasks {
		var st unix.Stat_t
		if err := unix.Stat("/proc/self/task/"+task.Name()+"/ns/net", &st); err == nil && st.Ino != home {
			t.Errorf("thread %s is in namespace %d, home is %d", task.Name(), st.Ino, home)
		}
	}
}

func BenchmarkNewAndRemove(b *testing.B) {
	p := openPins(b)
	for b.Loop() {
		if _, err := p.New(podA); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if err := p.Remove(podA); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}
