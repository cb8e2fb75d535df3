// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"encoding/binary"
	"net"
	"net/netip"

	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// The parts that rules are made of. Each function's comment is the part as nft(8) writes it.

// iifname "name"
func inputFrom(name string) []expr.Any { return interfaceIs(expr.MetaKeyIIFNAME, expr.CmpOpEq, name) }

// oifname "name"
func outputTo(name string) []expr.Any { return interfaceIs(expr.MetaKeyOIFNAME, expr.CmpOpEq, name) }

// oifname != "name"
func outputNotTo(name string) []expr.Any {
	return interfaceIs(expr.MetaKeyOIFNAME, expr.CmpOpNeq, name)
}

func interfaceIs(key expr.MetaKey, op expr.CmpOp, name string) []expr.Any {
	padded := make([]byte, unix.IFNAMSIZ)
	copy(padded, name)
	return []expr.Any{
		&expr.Meta{Key: key, Register: unix.NFT_REG_1},
		&expr.Cmp{Op: op, Register: unix.NFT_REG_1, Data: padded},
	}
}

// ip saddr net, ip6 saddr net
func sourceIn(n netip.Prefix) []expr.Any {
	offset := uint32(12)
	if n.Addr().Is6() {
		offset = 8
	}
	return addressIn(n, offset, expr.CmpOpEq)
}

// ip daddr net, ip daddr != net, ip6 daddr …
func destinationIn(n netip.Prefix, in bool) []expr.Any {
	offset := uint32(16)
	if n.Addr().Is6() {
		offset = 24
	}
	op := expr.CmpOpNeq
	if in {
		op = expr.CmpOpEq
	}
	return addressIn(n, offset, op)
}

func addressIn(n netip.Prefix, offset uint32, op expr.CmpOp) []expr.Any {
	bytes := n.Masked().Addr().AsSlice()
	size := uint32(len(bytes))
	return append(family(n.Addr()),
		&expr.Payload{OperationType: expr.PayloadLoad, DestRegister: unix.NFT_REG_1, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: size},
		&expr.Bitwise{
			SourceRegister: unix.NFT_REG_1, DestRegister: unix.NFT_REG_1, Len: size,
			Mask: net.CIDRMask(n.Bits(), n.Addr().BitLen()), Xor: make([]byte, size),
		},
		&expr.Cmp{Op: op, Register: unix.NFT_REG_1, Data: bytes},
	)
}

// meta nfproto ipv4, meta nfproto ipv6
func family(a netip.Addr) []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: unix.NFT_REG_1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: unix.NFT_REG_1, Data: []byte{nfproto(a)}},
	}
}

func nfproto(a netip.Addr) byte {
	if a.Is4() {
		return unix.NFPROTO_IPV4
	}
	return unix.NFPROTO_IPV6
}

// fib daddr type local
func destinationIsLocal() []expr.Any {
	return []expr.Any{
		&expr.Fib{Register: unix.NFT_REG_1, FlagDADDR: true, ResultADDRTYPE: true},
		&expr.Cmp{Op: expr.CmpOpEq, Register: unix.NFT_REG_1, Data: native(unix.RTN_LOCAL)},
	}
}

// ct status dnat
func destinationTranslated() []expr.Any {
	return []expr.Any{
		&expr.Ct{Key: expr.CtKeySTATUS, Register: unix.NFT_REG_1},
		&expr.Bitwise{
			SourceRegister: unix.NFT_REG_1, DestRegister: unix.NFT_REG_1, Len: 4,
			Mask: native(ctStatusDNAT), Xor: native(0),
		},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: unix.NFT_REG_1, Data: native(0)},
	}
}

func native(v uint32) []byte { return binary.NativeEndian.AppendUint32(nil, v) }

// dnat ip to meta l4proto . th dport map @any4
// dnat ip to ip daddr . meta l4proto . th dport map @ip4
// and both for ip6
//
// The map's answer, address and port, lies in the registers that the key was in.
func translate(m portMap) []expr.Any {
	addr := netip.IPv4Unspecified()
	protocol, port := uint32(reg0), uint32(reg1)
	portTo := uint32(reg1)
	if m.six {
		addr, portTo = netip.IPv6Unspecified(), reg4
	}
	exprs := family(addr)
	if m.address {
		offset, size := uint32(16), uint32(4)
		protocol, port = reg1, reg2
		if m.six {
			offset, size = 24, 16
			protocol, port = reg4, reg5
		}
		exprs = append(exprs, &expr.Payload{
			OperationType: expr.PayloadLoad, DestRegister: reg0, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: size,
		})
	}
	return append(exprs,
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: protocol},
		&expr.Payload{OperationType: expr.PayloadLoad, DestRegister: port, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2},
		&expr.Lookup{SourceRegister: reg0, DestRegister: reg0, IsDestRegSet: true, SetID: m.set.ID, SetName: m.set.Name},
		&expr.NAT{Type: expr.NATTypeDestNAT, Family: uint32(nfproto(addr)), RegAddrMin: reg0, RegProtoMin: portTo, Specified: true},
	)
}

func masquerade() []expr.Any { return []expr.Any{&expr.Masq{}} }

func verdict(kind expr.VerdictKind, chain string) []expr.Any {
	return []expr.Any{&expr.Verdict{Kind: kind, Chain: chain}}
}
