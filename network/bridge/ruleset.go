// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"net/netip"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// The names in the table. See doc.go for what the table looks like as a whole.
const (
	chainGuard       = "guard"
	chainPrerouting  = "prerouting"
	chainOutput      = "output"
	chainHostPorts   = "hostports"
	chainPostrouting = "postrouting"
)

// ctStatusDNAT is IPS_DST_NAT (linux/netfilter/nf_conntrack_common.h): the connection's destination was translated.
const ctStatusDNAT = 1 << 5

// Registers, each of 4 bytes. The 16-byte register 1 begins where the first of these does.
const (
	reg0 = unix.NFT_REG32_00
	reg1 = unix.NFT_REG32_01
	reg2 = unix.NFT_REG32_02
	reg4 = unix.NFT_REG32_04
	reg5 = unix.NFT_REG32_05
)

// ruleset adds the chains and rules of the table to a batch; the maps are in the batch already.
type ruleset struct {
	batch  *nftables.Conn
	table  *nftables.Table
	bridge string
	nets   subnets
	maps   portMaps
}

func (r ruleset) add() {
	r.addGuard()
	r.addHostPorts()
	r.addPostrouting()
}

func (r ruleset) baseChain(name string, kind nftables.ChainType, hook *nftables.ChainHook, priority *nftables.ChainPriority) *nftables.Chain {
	return r.batch.AddChain(&nftables.Chain{Name: name, Table: r.table, Type: kind, Hooknum: hook, Priority: priority})
}

func (r ruleset) rule(chain *nftables.Chain, parts ...[]expr.Any) {
	var exprs []expr.Any
	for _, p := range parts {
		exprs = append(exprs, p...)
	}
	r.batch.AddRule(&nftables.Rule{Table: r.table, Chain: chain, Exprs: exprs})
}

// addGuard keeps pods away from what listens on the node's 127.0.0.1. The bridge has route_localnet, so that 127.0.0.1:PORT of the
// node can lead to a pod; with it the kernel would take packets to 127.0.0.0/8 from the bridge as well
// (CVE-2020-8558). The answers that may come in are addressed to the bridge at this point: raw is before conntrack.
func (r ruleset) addGuard() {
	guard := r.baseChain(chainGuard, nftables.ChainTypeFilter, nftables.ChainHookPrerouting, nftables.ChainPriorityRaw)
	r.rule(guard, inputFrom(r.bridge), destinationIn(loopback4, true), verdict(expr.VerdictDrop, ""))
}

// addHostPorts translates what is addressed to the node itself, from outside and from pods (prerouting) and from the node (output).
func (r ruleset) addHostPorts() {
	ports := r.batch.AddChain(&nftables.Chain{Name: chainHostPorts, Table: r.table})
	r.rule(ports, translate(r.maps.ip4))
	r.rule(ports, translate(r.maps.any4))
	r.rule(ports, translate(r.maps.ip6))
	r.rule(ports, translate(r.maps.any6))
	pre := r.baseChain(chainPrerouting, nftables.ChainTypeNAT, nftables.ChainHookPrerouting, nftables.ChainPriorityNATDest)
	r.rule(pre, destinationIsLocal(), verdict(expr.VerdictJump, chainHostPorts))
	// The node's ::1 stays what it is: an answer to it from the bridge has no route (rt6_need_strict takes ::1 from lo only), so a
	// client would wait where it can be refused at once and try 127.0.0.1.
	out := r.baseChain(chainOutput, nftables.ChainTypeNAT, nftables.ChainHookOutput, nftables.ChainPriorityNATDest)
	r.rule(out, destinationIn(loopback6, true), verdict(expr.VerdictReturn, ""))
	r.rule(out, destinationIsLocal(), verdict(expr.VerdictJump, chainHostPorts))
}

// addPostrouting gives packets the node's address where the answer would not find back otherwise.
func (r ruleset) addPostrouting() {
	post := r.baseChain(chainPostrouting, nftables.ChainTypeNAT, nftables.ChainHookPostrouting, nftables.ChainPriorityNATSource)
	for _, net := range []netip.Prefix{r.nets.v4, r.nets.v6} {
		if !net.IsValid() {
			continue
		}
		// A pod that reaches a pod (itself, even) by a host port: the answer would go directly and be refused.
		r.rule(post, outputTo(r.bridge), sourceIn(net), destinationTranslated(), masquerade())
		// A pod that reaches beyond the bridge.
		r.rule(post, outputNotTo(r.bridge), sourceIn(net), destinationIn(net, false), destinationIn(multicast(net), false), masquerade())
	}
	// The node's 127.0.0.1:PORT.
	r.rule(post, outputTo(r.bridge), sourceIn(loopback4), masquerade())
}

var (
	loopback4 = netip.MustParsePrefix("127.0.0.0/8")
	loopback6 = netip.MustParsePrefix("::1/128")
)

func multicast(family netip.Prefix) netip.Prefix {
	if family.Addr().Is4() {
		return netip.MustParsePrefix("224.0.0.0/4")
	}
	return netip.MustParsePrefix("ff00::/8")
}
