// SPDX-License-Identifier: Apache-2.0

package netdevice

import (
	"encoding/binary"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"
)

// A netlink message (netlink(7)), in the machine's byte order:
//
//	struct nlmsghdr {u32 len; u16 type, flags; u32 seq, pid}
//	struct ifinfomsg {u8 family, pad; u16 type; s32 index; u32 flags, change}  of RTM_*LINK
//	struct ifaddrmsg {u8 family, prefixlen, flags, scope; u32 index}           of RTM_*ADDR
//	attributes: {u16 len, type} value, padded to 4 bytes
var order = binary.NativeEndian

const (
	headerSize = unix.NLMSG_HDRLEN
	linkSize   = unix.SizeofIfInfomsg
	addrSize   = unix.SizeofIfAddrmsg
)

// newMessage begins a message; seal completes it.
func newMessage(kind, flags uint16) []byte {
	b := make([]byte, headerSize, 256)
	order.PutUint16(b[4:], kind)
	order.PutUint16(b[6:], flags)
	return b
}

// linkMessage begins a message about a device; index 0: it is named by an attribute.
func linkMessage(kind, flags uint16, index int32, set, change uint32) []byte {
	b := newMessage(kind, flags)
	b = append(b, unix.AF_UNSPEC, 0, 0, 0)
	b = order.AppendUint32(b, uint32(index))
	b = order.AppendUint32(b, set)
	return order.AppendUint32(b, change)
}

func appendAttr(b []byte, kind uint16, value []byte) []byte {
	b = order.AppendUint16(b, uint16(4+len(value)))
	b = order.AppendUint16(b, kind)
	b = append(b, value...)
	return append(b, make([]byte, -len(value)&3)...)
}

func appendText(b []byte, kind uint16, s string) []byte {
	return appendAttr(b, kind, append([]byte(s), 0))
}

func appendUint32(b []byte, kind uint16, v uint32) []byte {
	return appendAttr(b, kind, order.AppendUint32(nil, v))
}

// seal completes a message.
func seal(b []byte, seq uint32) []byte {
	order.PutUint32(b, uint32(len(b)))
	order.PutUint32(b[8:], seq)
	return b
}

// A reply is one message from the kernel.
type reply struct {
	kind, flags uint16
	seq         uint32
	body        []byte
}

// splitReplies takes a datagram apart.
func splitReplies(b []byte) ([]reply, error) {
	var all []reply
	for len(b) > 0 {
		if len(b) < headerSize {
			return nil, ErrMessage
		}
		n := int(order.Uint32(b))
		if n < headerSize || n > len(b) {
			return nil, ErrMessage
		}
		all = append(all, reply{kind: order.Uint16(b[4:]), flags: order.Uint16(b[6:]), seq: order.Uint32(b[8:]), body: b[headerSize:n]})
		b = b[min((n+3)&^3, len(b)):]
	}
	return all, nil
}

// attributes calls f with each attribute behind a fixed part.
func attributes(b []byte, fixed int, f func(kind uint16, value []byte)) error {
	if len(b) < fixed {
		return ErrMessage
	}
	for b = b[fixed:]; len(b) > 0; {
		if len(b) < 4 {
			return ErrMessage
		}
		n := int(order.Uint16(b))
		if n < 4 || n > len(b) {
			return ErrMessage
		}
		f(order.Uint16(b[2:])&^(unix.NLA_F_NESTED|unix.NLA_F_NET_BYTEORDER), b[4:n])
		b = b[min((n+3)&^3, len(b)):]
	}
	return nil
}

// A device is what of a link matters here.
type device struct {
	name  string
	index int32
	up    bool
}

func parseDevice(b []byte) (device, error) {
	var d device
	err := attributes(b, linkSize, func(kind uint16, value []byte) {
		if kind == unix.IFLA_IFNAME {
			d.name = unix.ByteSliceToString(value)
		}
	})
	if err != nil || d.name == "" {
		return device{}, ErrMessage
	}
	d.index = int32(order.Uint32(b[4:]))
	d.up = order.Uint32(b[8:])&unix.IFF_UP != 0
	return d, nil
}

// An address is one of a device's, as the kernel gave it.
type address struct {
	family, prefix, scope uint8
	index                 int32
	flags                 uint32
	attrs                 []byte // those that make the address, encoded
}

// kept are the attributes that an address keeps. The label is the old device's name, the cache has no meaning for what stays for ever.
var kept = [...]uint16{unix.IFA_LOCAL, unix.IFA_ADDRESS, unix.IFA_BROADCAST, unix.IFA_ANYCAST, unix.IFA_RT_PRIORITY, ifaProto}

// ifaProto is IFA_PROTO of include/uapi/linux/if_addr.h: who has set the address (Linux 5.18).
const ifaProto = 11

// given are the flags that whoever adds an address may give; the others are the kernel's.
const given = unix.IFA_F_NODAD | unix.IFA_F_HOMEADDRESS | unix.IFA_F_MANAGETEMPADDR | unix.IFA_F_NOPREFIXROUTE | unix.IFA_F_MCAUTOJOIN

func parseAddress(b []byte) (address, error) {
	var a address
	var wide []byte
	err := attributes(b, addrSize, func(kind uint16, value []byte) {
		switch {
		case kind == unix.IFA_FLAGS:
			wide = value
		case slices.Contains(kept[:], kind):
			a.attrs = appendAttr(a.attrs, kind, value)
		}
	})
	if err != nil {
		return address{}, err
	}
	a.family, a.prefix, a.flags, a.scope = b[0], b[1], uint32(b[2]), b[3]
	a.index = int32(order.Uint32(b[4:]))
	if len(wide) == 4 {
		a.flags = order.Uint32(wide)
	}
	return a, nil
}

// request makes the message that adds the address to a device.
func (a address) request(index int32) []byte {
	b := newMessage(unix.RTM_NEWADDR, unix.NLM_F_REQUEST|unix.NLM_F_ACK|unix.NLM_F_CREATE|unix.NLM_F_REPLACE)
	flags := a.flags & given
	b = append(b, a.family, a.prefix, uint8(flags), a.scope)
	b = order.AppendUint32(b, uint32(index))
	b = append(b, a.attrs...)
	return appendUint32(b, unix.IFA_FLAGS, flags)
}

// failure is the error of a message NLMSG_ERROR: struct nlmsgerr {s32 error; struct nlmsghdr}, the request when it was not capped, and
// attributes, of which one may be the reason in words. Nil: it is an acknowledgement.
func failure(r reply) error {
	if len(r.body) < 4 {
		return ErrMessage
	}
	code := int32(order.Uint32(r.body))
	if code == 0 {
		return nil
	}
	err := error(unix.Errno(-code))
	if r.flags&unix.NLM_F_ACK_TLVS == 0 {
		return err
	}
	_ = attributes(r.body, 4+headerSize, func(kind uint16, value []byte) { // NETLINK_CAP_ACK: the request is its header
		if kind == unix.NLMSGERR_ATTR_MSG {
			err = fmt.Errorf("%w (%s)", err, unix.ByteSliceToString(value))
		}
	})
	return err
}
