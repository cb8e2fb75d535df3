// SPDX-License-Identifier: Apache-2.0

package network

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"crisp/network/netns"
)

// dialTimeout bounds a connection within one machine.
const dialTimeout = 30 * time.Second

// Dial connects to a TCP port of the namespace's loopback, 127.0.0.1 first and then ::1. nsPath "" is the node's namespace. The
// connection can be used anywhere.
func Dial(ctx context.Context, nsPath string, port int32) (net.Conn, error) {
	if port < 1 || port > 65535 {
		return nil, fmt.Errorf("connect to port %d: %w", port, unix.EINVAL)
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	var errs []error
	for _, ip := range []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()} {
		to := netip.AddrPortFrom(ip, uint16(port))
		c, err := dial(ctx, nsPath, to)
		if err == nil {
			return c, nil
		}
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		errs = append(errs, fmt.Errorf("connect to %s: %w", to, err))
	}
	return nil, errors.Join(errs...)
}

func dial(ctx context.Context, nsPath string, to netip.AddrPort) (net.Conn, error) {
	if nsPath == "" {
		var d net.Dialer
		return d.DialContext(ctx, "tcp", to.String())
	}
	s, err := socketInside(nsPath, to.Addr())
	if err != nil {
		return nil, err
	}
	defer s.Close()
	if err := connect(ctx, s, to); err != nil {
		return nil, err
	}
	return net.FileConn(s) // has a copy
}

// socketInside makes a socket in the namespace. It stays there, whoever uses it: only this moment needs a thread inside.
func socketInside(nsPath string, ip netip.Addr) (*os.File, error) {
	ns, err := netns.Open(nsPath)
	if err != nil {
		return nil, err
	}
	defer ns.Close()
	family := unix.AF_INET
	if ip.Is6() {
		family = unix.AF_INET6
	}
	fd := -1
	err = netns.Enter(ns, func() error {
		fd, err = unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		return err
	})
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	return os.NewFile(uintptr(fd), "socket in "+nsPath), nil
}

// connect is connect(2) for a socket that does not block, ended by the context.
func connect(ctx context.Context, s *os.File, to netip.AddrPort) error {
	raw, err := s.SyscallConn()
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { s.SetWriteDeadline(time.Now()) })()
	started, result := false, error(nil)
	err = raw.Write(func(fd uintptr) bool {
		if !started {
			started = true
			result = unix.Connect(int(fd), sockaddr(to))
			return result != unix.EINPROGRESS
		}
		var code int
		if code, result = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR); result == nil && code != 0 {
			result = unix.Errno(code)
		}
		return true
	})
	return errors.Join(err, os.NewSyscallError("connect", result))
}

func sockaddr(a netip.AddrPort) unix.Sockaddr {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
	}
	return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
}
