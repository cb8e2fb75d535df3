// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"encoding/json"
	"fmt"
	"net"
	"time"
	"unsafe"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// struct seccomp_notif and seccomp_notif_resp of linux/seccomp.h.
type notification struct {
	id    uint64
	pid   uint32
	flags uint32
	data  [64]byte
}

type response struct {
	id    uint64
	val   int64
	error int32
	flags uint32
}

const (
	ioctlNotifyReceive = 0xc0502100 // SECCOMP_IOCTL_NOTIF_RECV
	ioctlNotifySend    = 0xc0182101 // SECCOMP_IOCTL_NOTIF_SEND
)

// answerOne waits for a call that the filter stops, and gives it an error.
func answerOne(fd int, number int32) error {
	polled := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	for end := time.Now().Add(patience); ; {
		n, err := unix.Poll(polled, 100)
		if n > 0 {
			break
		}
		if err != nil && err != unix.EINTR || time.Now().After(end) {
			return fmt.Errorf("no call is told (%w)", err)
		}
	}
	var got notification
	if _, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), ioctlNotifyReceive, uintptr(unsafe.Pointer(&got))); e != 0 {
		return fmt.Errorf("receive: %w", e)
	}
	answer := response{id: got.id, error: number}
	if _, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), ioctlNotifySend, uintptr(unsafe.Pointer(&answer))); e != 0 {
		return fmt.Errorf("send: %w", e)
	}
	return nil
}

// told is what an agent gets.
type told struct {
	state specs.ContainerProcessState
	fds   []int
	err   error
}

// notify is the agent's side: one connection, a state with the descriptor beside it, and an answer to what the container calls.
func notify(b *bench, flags ...specs.LinuxSeccompFlag) {
	path := b.path("agent.sock")
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	b.must(err)
	defer listener.Close()
	b.must(listener.SetDeadline(time.Now().Add(patience)))
	k := b.bundle()
	k.Annotations = map[string]string{"org.example": "notify"}
	f := filter(on(specs.ActNotify, "getpgid"))
	f.ListenerPath, f.ListenerMetadata, f.Flags = path, "the agent's own words", flags
	k.Linux.Seccomp = f
	k.asks = []string{"call getpgid 0"}
	agent := make(chan told, 1)
	go func() { agent <- attend(listener) }()
	got := k.try()
	listener.Close() // nobody comes any more
	r := <-agent
	for _, fd := range r.fds {
		unix.Close(fd)
	}
	if r.err != nil || got.code != 0 {
		b.fatalf("the agent: %v; run: %v", r.err, got)
	}
	if a := b.answers(got.out)["call getpgid 0"]; a != "EDOM" {
		b.errorf("the agent's answer arrives as %q", a)
	}
	s := r.state
	if s.Metadata != "the agent's own words" || s.State.Annotations["org.example"] != "notify" || s.Pid <= 0 || s.State.Bundle != k.dir {
		b.errorf("state %+v", s)
	}
	if len(s.Fds) != len(r.fds) || len(s.Fds) == 0 || s.Fds[0] != specs.SeccompFdName {
		b.errorf("names of descriptors %q for %d", s.Fds, len(r.fds))
	}
}

// attend takes what comes and answers one call.
func attend(listener *net.UnixListener) (r told) {
	conn, err := listener.AcceptUnix()
	if err != nil {
		return told{err: err}
	}
	defer conn.Close()
	text, oob := make([]byte, 64<<10), make([]byte, 4096)
	n, oobn, _, _, err := conn.ReadMsgUnix(text, oob)
	if err != nil {
		return told{err: err}
	}
	if r.err = json.Unmarshal(text[:n], &r.state); r.err != nil {
		return r
	}
	messages, err := unix.ParseSocketControlMessage(oob[:oobn])
	if err != nil || len(messages) != 1 {
		r.err = fmt.Errorf("%d control messages: %w", len(messages), err)
		return r
	}
	if r.fds, r.err = unix.ParseUnixRights(&messages[0]); r.err == nil && len(r.fds) > 0 {
		r.err = answerOne(r.fds[len(r.fds)-1], -int32(unix.EDOM))
	}
	return r
}
