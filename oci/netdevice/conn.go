// SPDX-License-Identifier: Apache-2.0

package netdevice

import (
	"errors"
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// A conn is a socket to the kernel in one network namespace. It is not safe for concurrent use.
type conn struct {
	fd  int
	seq uint32
	buf []byte
}

// patience is how long an answer may take, in seconds: the lock of all network devices (rtnl) may be held by somebody else.
const patience = 10

// dial opens a socket in the namespace of this process.
func dial() (*conn, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	c := &conn{fd: fd, buf: make([]byte, 64<<10)} // a datagram of a dump has 32 KiB at most, one device with many functions may have more
	for _, o := range []int{unix.NETLINK_EXT_ACK, unix.NETLINK_CAP_ACK} {
		_ = unix.SetsockoptInt(fd, unix.SOL_NETLINK, o, 1) // words in errors are a nicety
	}
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: patience}); err != nil {
		c.close()
		return nil, os.NewSyscallError("setsockopt", err)
	}
	return c, nil
}

// dialIn opens a socket in another namespace: a socket is of the namespace that its maker was in.
func dialIn(ns *os.File) (*conn, error) {
	runtime.LockOSThread()
	home, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		runtime.UnlockOSThread()
		return nil, err
	}
	defer home.Close()
	if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
		runtime.UnlockOSThread()
		return nil, os.NewSyscallError("setns", err)
	}
	c, err := dial()
	if back := unix.Setns(int(home.Fd()), unix.CLONE_NEWNET); back != nil {
		if err == nil {
			c.close()
		}
		return nil, os.NewSyscallError("setns", back) // the thread stays locked and ends with its goroutine
	}
	runtime.UnlockOSThread()
	return c, err
}

func (c *conn) close() { unix.Close(c.fd) }

// do sends a request and calls f with every message of the answer.
func (c *conn) do(request []byte, f func(reply) error) error {
	c.seq++
	if err := unix.Sendto(c.fd, seal(request, c.seq), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return os.NewSyscallError("sendto", err)
	}
	for {
		replies, err := c.receive()
		if err != nil {
			return err
		}
		for _, r := range replies {
			switch {
			case r.seq != c.seq: // of a request that failed half-way
			case r.kind == unix.NLMSG_ERROR:
				return failure(r)
			case r.kind == unix.NLMSG_DONE:
				return nil
			case f != nil:
				if err := f(r); err != nil {
					return err
				}
			}
		}
	}
}

func (c *conn) receive() ([]reply, error) {
	for {
		n, from, err := unix.Recvfrom(c.fd, c.buf, unix.MSG_TRUNC)
		switch kernel, ok := from.(*unix.SockaddrNetlink); {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return nil, os.NewSyscallError("recvfrom", err)
		case n > len(c.buf):
			return nil, fmt.Errorf("%w: %d bytes", ErrMessage, n)
		case !ok || kernel.Pid != 0: // any process may send to the socket
			continue
		}
		return splitReplies(c.buf[:n])
	}
}

// device looks a device up; ErrNotFound when there is none.
func (c *conn) device(name string) (device, error) {
	const skipStats = 1 << 3 // RTEXT_FILTER_SKIP_STATS
	q := linkMessage(unix.RTM_GETLINK, unix.NLM_F_REQUEST|unix.NLM_F_ACK, 0, 0, 0)
	q = appendUint32(appendText(q, unix.IFLA_IFNAME, name), unix.IFLA_EXT_MASK, skipStats)
	var d device
	err := c.do(q, func(r reply) (err error) {
		d, err = parseDevice(r.body)
		return err
	})
	switch {
	case errors.Is(err, unix.ENODEV):
		return device{}, ErrNotFound
	case err == nil && d.index == 0:
		return device{}, ErrMessage
	}
	return d, err
}

// devices lists the names and indexes of the namespace.
func (c *conn) devices() (map[string]int32, error) {
	all := map[string]int32{}
	return all, c.dump(unix.RTM_GETLINK, linkSize, func(r reply) error {
		d, err := parseDevice(r.body)
		all[d.name] = d.index
		return err
	})
}

// addresses lists the addresses of a device that stay until somebody removes them.
func (c *conn) addresses(index int32) ([]address, error) {
	var all []address
	return all, c.dump(unix.RTM_GETADDR, addrSize, func(r reply) error {
		a, err := parseAddress(r.body)
		if a.index == index && a.flags&unix.IFA_F_PERMANENT != 0 {
			all = append(all, a)
		}
		return err
	})
}

// maxDumps is how often a dump is begun anew because something changed meanwhile.
const maxDumps = 16

func (c *conn) dump(kind uint16, fixed int, f func(reply) error) error {
	for range maxDumps {
		torn := false
		q := append(newMessage(kind, unix.NLM_F_REQUEST|unix.NLM_F_DUMP), make([]byte, fixed)...)
		var all []reply
		err := c.do(q, func(r reply) error {
			torn = torn || r.flags&unix.NLM_F_DUMP_INTR != 0
			r.body = append([]byte(nil), r.body...)
			all = append(all, r)
			return nil
		})
		if err != nil {
			return err
		}
		if torn {
			continue
		}
		for _, r := range all {
			if err := f(r); err != nil {
				return err
			}
		}
		return nil
	}
	return fmt.Errorf("list of network devices: %w", unix.EAGAIN)
}

// set sets a device up or down.
func (c *conn) set(index int32, up bool) error {
	var flags uint32
	if up {
		flags = unix.IFF_UP
	}
	return c.do(linkMessage(unix.RTM_NEWLINK, unix.NLM_F_REQUEST|unix.NLM_F_ACK, index, flags, unix.IFF_UP), nil)
}

// move puts a device into another namespace under a name.
func (c *conn) move(index int32, ns *os.File, name string) error {
	q := linkMessage(unix.RTM_NEWLINK, unix.NLM_F_REQUEST|unix.NLM_F_ACK, index, 0, 0)
	q = appendText(q, unix.IFLA_IFNAME, name)
	return c.do(appendUint32(q, unix.IFLA_NET_NS_FD, uint32(ns.Fd())), nil)
}

// add gives an address to a device. That it has it already is as good.
func (c *conn) add(a address, index int32) error {
	err := c.do(a.request(index), nil)
	if errors.Is(err, unix.EEXIST) {
		return nil
	}
	return err
}
