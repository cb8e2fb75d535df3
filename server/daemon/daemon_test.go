// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// socketPath is short: t.TempDir with a long test name may not fit in sun_path.
func socketPath(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "crisp")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return filepath.Join(dir, "crisp.sock")
}

func TestSecondDaemonIsRefusedTheDirectories(t *testing.T) {
	root, state := t.TempDir(), t.TempDir()
	first, err := Acquire(root, state)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	for _, dirs := range [][]string{{root, t.TempDir()}, {t.TempDir(), state}} {
		_, err = Acquire(dirs...)
		if !errors.Is(err, ErrInUse) {
			t.Fatalf("%v, want ErrInUse", err)
		}
		if !strings.Contains(err.Error(), "(pid "+strconv.Itoa(os.Getpid())+")") {
			t.Errorf("%q does not name the holder", err)
		}
	}
}

func TestRefusedDaemonKeepsNoLock(t *testing.T) {
	free, taken := t.TempDir(), t.TempDir()
	holder, err := Acquire(taken)
	if err != nil {
		t.Fatal(err)
	}
	defer holder.Close()
	if _, err := Acquire(free, taken); !errors.Is(err, ErrInUse) {
		t.Fatal(err)
	}
	again, err := Acquire(free)
	if err != nil {
		t.Fatalf("the first directory stayed locked: %v", err)
	}
	again.Close()
}

func TestLockIsFreeAfterClose(t *testing.T) {
	dir := t.TempDir()
	for range 2 {
		l, err := Acquire(dir)
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestSocketIsForOwnerAndGroup(t *testing.T) {
	old := syscall.Umask(0) // the worst case: nothing is masked
	defer syscall.Umask(old)
	path := socketPath(t)
	l, err := Listen(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o660 {
		t.Errorf("mode %v", info.Mode())
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket stays after Close: %v", err)
	}
}

func TestSocketIsNeverOpenToOthers(t *testing.T) {
	old := syscall.Umask(0)
	defer syscall.Umask(old)
	path := socketPath(t)
	l, err := listenPrivate(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v right after bind", info.Mode())
	}
}

func TestStaleSocketIsReplaced(t *testing.T) {
	path := socketPath(t)
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false) // as after kill -9
	dead.Close()
	l, err := Listen(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
}

func TestAnsweringSocketIsLeftAlone(t *testing.T) {
	path := socketPath(t)
	alive, err := Listen(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer alive.Close()
	if _, err := Listen(context.Background(), path); !errors.Is(err, ErrInUse) {
		t.Fatalf("%v, want ErrInUse", err)
	}
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatalf("the living socket was hurt: %v", err)
	}
	conn.Close()
}

func TestOtherFileIsNeverRemoved(t *testing.T) {
	path := socketPath(t)
	if err := os.WriteFile(path, []byte("precious"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(context.Background(), path); err == nil {
		t.Fatal("no error")
	}
	if data, _ := os.ReadFile(path); string(data) != "precious" {
		t.Errorf("the file became %q", data)
	}
}

func TestNotifyReachesTheServiceManager(t *testing.T) {
	for _, name := range []string{socketPath(t), "@crisp-notify-" + strconv.Itoa(os.Getpid())} {
		manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
		if err != nil {
			t.Fatal(err)
		}
		defer manager.Close()
		t.Setenv("NOTIFY_SOCKET", name)
		for _, state := range []string{Ready, Reloading(), Stopping} {
			if err := Notify(state); err != nil {
				t.Fatal(err)
			}
			buf := make([]byte, 128)
			if err := manager.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
				t.Fatal(err)
			}
			n, err := manager.Read(buf)
			if err != nil {
				t.Fatal(err)
			}
			if got := string(buf[:n]); got != state {
				t.Errorf("%q arrived for %q", got, state)
			}
		}
	}
}

func TestNotifyWithoutServiceManagerIsNothing(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	if err := Notify(Ready); err != nil {
		t.Fatal(err)
	}
}

func TestNotifyReportsAManagerThatIsGone(t *testing.T) {
	for _, name := range []string{socketPath(t), "relative"} {
		t.Setenv("NOTIFY_SOCKET", name)
		if err := Notify(Ready); err == nil {
			t.Errorf("no error for %s", name)
		}
	}
}

// A child of a killed daemon that has not come to its exec yet has the lock's descriptor for a moment longer.
func TestLockIsWaitedForWhenItsHolderIsDead(t *testing.T) {
	dir := t.TempDir()
	killed, err := Acquire(dir)
	if err != nil {
		t.Fatal(err)
	}
	f := killed.files[0]
	child := exec.Command("cat")
	child.ExtraFiles = []*os.File{f}
	stdin, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	dead := exec.Command("true")
	if err := dead.Run(); err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte(strconv.Itoa(dead.Process.Pid)+"\n"), 0); err != nil {
		t.Fatal(err)
	}
	killed.Close()
	if err := unix.Flock(probe(t, dir), unix.LOCK_EX|unix.LOCK_NB); !errors.Is(err, unix.EWOULDBLOCK) {
		t.Fatalf("the child does not hold the lock: %v", err)
	}
	result := make(chan error)
	go func() {
		l, err := Acquire(dir)
		if err == nil {
			l.Close()
		}
		result <- err
	}()
	stdin.Close()
	if err := child.Wait(); err != nil {
		t.Fatal(err)
	}
	if err := <-result; err != nil {
		t.Fatal(err)
	}
}

// probe opens the lock file once more.
func probe(t *testing.T, dir string) int {
	t.Helper()
	f, err := os.Open(filepath.Join(dir, lockName))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return int(f.Fd())
}
