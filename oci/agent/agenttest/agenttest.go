// SPDX-License-Identifier: Apache-2.0

// Package agenttest is a seccomp agent for tests: it listens at a Unix socket, takes listeners, and answers notifications.
//
//	a := agenttest.New(t, func(n agenttest.Notification) agenttest.Answer { return agenttest.Answer{Errno: unix.EXDEV} })
//	… a container whose profile has listenerPath a.Path …
//	process := a.Process()
package agenttest

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"
	"unsafe"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// A Notification is struct seccomp_notif (include/uapi/linux/seccomp.h).
type Notification struct {
	ID    uint64
	Pid   uint32
	Flags uint32
	Nr    int32
	Arch  uint32
	IP    uint64
	Args  [6]uint64
}

// An Answer is what becomes of the call. The zero one says that it returned 0, though nothing was done.
type Answer struct {
	Errno    unix.Errno
	Continue bool // let the kernel do it
}

// response is struct seccomp_notif_resp.
type response struct {
	id    uint64
	val   int64
	errno int32
	flags uint32
}

// An Agent answers the notifications of all processes whose listeners it gets, until its test ends.
type Agent struct {
	Path string // of its socket

	t         testing.TB
	answer    func(Notification) Answer
	socket    *net.UnixListener
	processes chan specs.ContainerProcessState
	running   sync.WaitGroup

	mu   sync.Mutex // guards what follows
	done bool
	fds  []int // to be shut
}

// New starts an agent.
func New(t testing.TB, answer func(Notification) Answer) *Agent {
	t.Helper()
	a := &Agent{t: t, Path: filepath.Join(t.TempDir(), "agent.sock"), answer: answer, processes: make(chan specs.ContainerProcessState, 64)}
	var err error
	if a.socket, err = net.ListenUnix("unix", &net.UnixAddr{Name: a.Path, Net: "unix"}); err != nil {
		t.Fatal(err)
	}
	a.running.Go(a.accept)
	t.Cleanup(a.close)
	return a
}

// Process returns the state of the next process that came.
func (a *Agent) Process() specs.ContainerProcessState {
	a.t.Helper()
	select {
	case s := <-a.processes:
		return s
	case <-time.After(20 * time.Second):
		a.t.Fatal("no process came to the agent")
		return specs.ContainerProcessState{}
	}
}

// Idle fails when a process came that nobody asked for.
func (a *Agent) Idle() {
	a.t.Helper()
	select {
	case s := <-a.processes:
		a.t.Errorf("a process too many: %+v", s)
	default:
	}
}

func (a *Agent) close() {
	a.socket.Close()
	a.mu.Lock()
	a.done = true
	for _, fd := range a.fds {
		_, _ = unix.Write(fd, []byte{0, 0, 0, 0, 0, 0, 0, 1})
	}
	a.mu.Unlock()
	a.running.Wait()
}

func (a *Agent) accept() {
	for {
		c, err := a.socket.AcceptUnix()
		if err != nil {
			return
		}
		state, fd, err := receive(c)
		c.Close()
		if err != nil {
			a.t.Errorf("agent: %v", err)
			continue
		}
		stop, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
		if err != nil {
			a.t.Error(err)
			return
		}
		a.mu.Lock()
		if a.done {
			_, _ = unix.Write(stop, []byte{0, 0, 0, 0, 0, 0, 0, 1})
		}
		a.fds = append(a.fds, stop)
		a.mu.Unlock()
		a.running.Go(func() { a.serve(fd, stop) })
		a.processes <- state
	}
}

// receive takes the one message that a connection brings: the state in JSON up to its end, and with its first byte the listener.
func receive(c *net.UnixConn) (specs.ContainerProcessState, int, error) {
	var state specs.ContainerProcessState
	b, oob := make([]byte, 1<<16), make([]byte, unix.CmsgSpace(4*8))
	n, oobn, _, _, err := c.ReadMsgUnix(b, oob)
	if err != nil {
		return state, -1, err
	}
	fds, err := rights(oob[:oobn])
	if err != nil {
		return state, -1, err
	}
	rest, err := io.ReadAll(c)
	if err == nil {
		err = json.Unmarshal(append(b[:n:n], rest...), &state)
	}
	if err == nil && (len(fds) != 1 || len(state.Fds) != 1 || state.Fds[0] != specs.SeccompFdName) {
		err = errors.New("not one file named " + specs.SeccompFdName)
	}
	if err != nil {
		for _, fd := range fds {
			unix.Close(fd)
		}
		return state, -1, err
	}
	return state, fds[0], nil
}

func rights(oob []byte) (fds []int, err error) {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, err
	}
	for i := range messages {
		more, err := unix.ParseUnixRights(&messages[i])
		if err != nil {
			return nil, err
		}
		fds = append(fds, more...)
	}
	return fds, nil
}

// serve answers until nobody is left who could notify, or the test ends.
func (a *Agent) serve(fd, stop int) {
	defer unix.Close(stop)
	defer unix.Close(fd)
	defer a.forget(stop)
	for {
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}, {Fd: int32(stop), Events: unix.POLLIN}}
		if _, err := unix.Poll(fds, -1); errors.Is(err, unix.EINTR) {
			continue
		}
		if fds[1].Revents != 0 || fds[0].Revents&unix.POLLIN == 0 {
			return
		}
		var n Notification
		if ioctl(fd, unix.SECCOMP_IOCTL_NOTIF_RECV, unsafe.Pointer(&n)) != 0 {
			continue // it was killed, or interrupted
		}
		answer := a.answer(n)
		r := response{id: n.ID, errno: -int32(answer.Errno)}
		if answer.Continue {
			r.flags = unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE
		}
		_ = ioctl(fd, unix.SECCOMP_IOCTL_NOTIF_SEND, unsafe.Pointer(&r)) // ENOENT: the same
	}
}

func (a *Agent) forget(stop int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i, fd := range a.fds {
		if fd == stop {
			a.fds = append(a.fds[:i], a.fds[i+1:]...)
			return
		}
	}
}

func ioctl(fd int, request uintptr, arg unsafe.Pointer) unix.Errno {
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), request, uintptr(arg))
	return errno
}
