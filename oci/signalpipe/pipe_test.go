// SPDX-License-Identifier: Apache-2.0

package signalpipe

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// roles are what this program does for its tests, in a process of its own: there is no way back from Catch.
var roles = map[string]func() error{
	"all": catchAll, "fault": survive, "child": awaitChild, "threads": catchFromThreads,
}

func TestMain(m *testing.M) {
	if role := roles[os.Getenv("SIGNALPIPE_ROLE")]; role != nil {
		if err := role(); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println("good")
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func play(t *testing.T, role string) {
	t.Helper()
	c := exec.Command("/proc/self/exe")
	c.Env = append(os.Environ(), "SIGNALPIPE_ROLE="+role)
	out, err := c.CombinedOutput()
	if text := strings.TrimSpace(string(out)); err != nil || text != "good" {
		t.Fatalf("%v: %s", err, text)
	}
}

// TestEverySignalIsCaught: also those of faults when somebody sends them, real-time ones, and those that are ignored by default.
func TestEverySignalIsCaught(t *testing.T) { play(t, "all") }

func catchAll() error {
	p, err := Catch()
	if err != nil {
		return err
	}
	for s := unix.Signal(1); s <= lastSignal; s++ {
		if !catchable(s) {
			continue
		}
		if err := unix.Kill(os.Getpid(), s); err != nil {
			return err
		}
		got, err := p.Read()
		if err != nil || got != s {
			return fmt.Errorf("signal %d came as %d: %w", s, got, err)
		}
	}
	return nil
}

// TestFaultsStayTheRuntimes: a nil pointer is a panic still.
func TestFaultsStayTheRuntimes(t *testing.T) { play(t, "fault") }

func survive() (err error) {
	p, err := Catch()
	if err != nil {
		return err
	}
	panics := func() (err error) {
		defer func() {
			if recover() == nil {
				err = fmt.Errorf("no panic")
			}
		}()
		var nobody *Pipe
		nobody.begin++
		return nil
	}
	if err := panics(); err != nil {
		return err
	}
	if err := unix.Kill(os.Getpid(), unix.SIGSEGV); err != nil {
		return err
	}
	s, err := p.Read()
	if err == nil && s != unix.SIGSEGV {
		err = fmt.Errorf("signal %d", s)
	}
	return err
}

// TestChildEndsTheWait: the end of a child comes the same way.
func TestChildEndsTheWait(t *testing.T) { play(t, "child") }

func awaitChild() error {
	p, err := Catch()
	if err != nil {
		return err
	}
	if err := exec.Command("/bin/true").Start(); err != nil {
		return err
	}
	s, err := p.Read()
	if err == nil && s != unix.SIGCHLD {
		err = fmt.Errorf("signal %d", s)
	}
	return err
}

// TestSignalsOfBusyThreads: whatever the threads do, the garbage collector among them, signals reach the pipe and disturb nothing.
func TestSignalsOfBusyThreads(t *testing.T) { play(t, "threads") }

func catchFromThreads() error {
	p, err := Catch()
	if err != nil {
		return err
	}
	const each, workers = 2000, 4
	var running sync.WaitGroup
	for range workers {
		running.Go(func() {
			var keep [][]byte
			for range each {
				keep = append(keep, make([]byte, 512))
				_ = unix.Tgkill(os.Getpid(), unix.Gettid(), 40)
				runtime.Gosched()
			}
			runtime.KeepAlive(keep)
		})
	}
	for n := 0; n < each*workers; {
		s, err := p.Read()
		if err != nil {
			return err
		}
		if s == 40 {
			n++
		}
	}
	running.Wait()
	return nil
}

// TestHandlerDoesNotWait: with a full pipe signals are lost, and the process goes on.
func TestHandlerDoesNotWait(t *testing.T) {
	p, fd, err := open()
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(p.fd)
	defer unix.Close(fd)
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	if err != nil || flags&unix.O_NONBLOCK == 0 {
		t.Fatalf("flags %#x: %v", flags, err)
	}
}
