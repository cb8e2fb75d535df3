// SPDX-License-Identifier: Apache-2.0

package cni

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/containernetworking/cni/pkg/types"
	types100 "github.com/containernetworking/cni/pkg/types/100"

	"crisp/network/attachment"
)

// convert makes ours of a plugin's result. Addresses count that are of no interface, or of one inside the pod; the
// plugin's order stays: the kubelet brings the node's family to the front by itself.
func convert(r types.Result) (attachment.Result, error) {
	from, err := types100.NewResultFromResult(r)
	if err != nil {
		return attachment.Result{}, fmt.Errorf("CNI result: %w", err)
	}
	var res attachment.Result
	inside := map[int]int{} // index there → index in res.Interfaces
	for i, f := range from.Interfaces {
		if f == nil || f.Sandbox == "" || f.Name == "lo" {
			continue
		}
		inside[i] = len(res.Interfaces)
		res.Interfaces = append(res.Interfaces, attachment.Interface{Name: f.Name, MAC: f.Mac})
	}
	for _, ip := range from.IPs {
		if ip == nil {
			continue
		}
		prefix, ok := toPrefix(ip.Address)
		if !ok {
			continue
		}
		if ip.Interface == nil {
			res.IPs = append(res.IPs, prefix.Addr())
			continue
		}
		if i, ok := inside[*ip.Interface]; ok {
			res.IPs = append(res.IPs, prefix.Addr())
			res.Interfaces[i].Addresses = append(res.Interfaces[i].Addresses, prefix)
		}
	}
	if len(res.IPs) == 0 {
		return attachment.Result{}, ErrNoAddress
	}
	return res, nil
}

func toPrefix(n net.IPNet) (netip.Prefix, bool) {
	addr, ok := netip.AddrFromSlice(n.IP)
	if !ok {
		return netip.Prefix{}, false
	}
	ones, _ := n.Mask.Size()
	p := netip.PrefixFrom(addr.Unmap(), ones)
	return p, p.IsValid()
}
