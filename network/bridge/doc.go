// SPDX-License-Identifier: Apache-2.0

// Package bridge is the embedded network: one Linux bridge per node, with addresses, masquerade and host ports, by netlink and in
// process. It serves a node that has no CNI configuration.
//
//	 pod (its namespace)           node
//	┌────────────────────┐
//	│ eth0 10.91.0.2/16  ├──veth── cr0123456789a ┐
//	│ default 10.91.0.1  │                       │ crisp0 10.91.0.1/16      nftables table inet
//	└────────────────────┘                       ├─       fd63:…::1/64 ──── crisp-crisp0 ──── eth0
//	┌────────────────────┐                       │                          (masquerade, host ports)
//	│ eth0 10.91.0.3/16  ├──veth── crabcdef01234 ┘
//	└────────────────────┘
//
// The host's end of a veth is named "cr" and the first 11 digits of the pod's ID. The n-th address of both subnets belongs to one pod, and
// its MAC is derived from the address, so that no neighbour cache is ever wrong.
//
// # What a pod holds
//
// A record (<data>/bridge/<name>/<pod ID>.json) with two addresses and the host ports. Life cycle:
//
//	        record written        veth, addresses, ports made
//	(free) ───────────────▶ held ─────────────────────────────▶ attached
//	   ▲                     │                                     │ ports closed, record removed
//	   │  the veth is gone   ▼                                     ▼
//	   └────────────────── leaving ◀───────────────────────────────┘
//
// Attach goes to the right from wherever a killed daemon stopped, Detach down and back. An address is given to the next pod only when the
// interface that had it is gone. The kernel deletes interfaces with their namespace, many at a time, so the reaper waits for that in the
// background and deletes one itself (30 ms) only if it takes longer than a second, or if the address is needed.
//
// # The table
//
// It is built from the records when the first pod comes, and again whenever it is found missing:
//
//	table inet crisp-crisp0 {
//	  map any4 { type inet_proto . inet_service : ipv4_addr . inet_service
//	             elements = { tcp . 8080 comment "0123456789ab default/web" : 10.91.0.2 . 80 } }
//	  map ip4  { type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service }
//	  map any6, map ip6 …
//	  chain guard       { type filter hook prerouting priority raw;    iifname "crisp0" ip daddr 127.0.0.0/8 drop }
//	  chain prerouting  { type nat hook prerouting priority dstnat;    fib daddr type local jump hostports }
//	  chain output      { type nat hook output priority dstnat;        ip6 daddr ::1 return; fib daddr type local jump hostports }
//	  chain hostports   { dnat ip to ip daddr . meta l4proto . th dport map @ip4
//	                      dnat ip to meta l4proto . th dport map @any4; … }
//	  chain postrouting { type nat hook postrouting priority srcnat
//	                      oifname "crisp0" ip saddr 10.91.0.0/16 ct status dnat masquerade
//	                      oifname != "crisp0" ip saddr 10.91.0.0/16 ip daddr != 10.91.0.0/16 ip daddr != 224.0.0.0/4 masquerade; …
//	                      oifname "crisp0" ip saddr 127.0.0.0/8 masquerade }
//	}
//
// A host port is an element of a map: a pod that comes or goes changes its own elements and no rule.
//
// # Limits
//
//   - A host port is not open on the node's ::1: the kernel knows no way back. localhost works by 127.0.0.1.
//   - Bandwidth limits and wanted addresses are for CNI plugins; here they are not supported.
//   - Another table's drop is final in nftables: where something sets the FORWARD chain's policy to drop (Docker does), pods reach
//     beyond the node only after a rule there accepts them: iptables -I DOCKER-USER -i crisp0 -j ACCEPT, and -o.
//   - Nothing keeps a program of the node from listening on a host port; the pod gets the connections.
//
// One network, one pod:
//
//	n, err := bridge.Open(bridge.Options{Config: bridge.Config{Name: "crisp0"}, Dir: "/var/lib/crisp/network/bridge", Log: log})
//	res, err := n.Attach(ctx, attachment.Pod{ID: id, NetNS: "/run/crisp/netns/" + id})
//	err = n.Detach(ctx, id)
package bridge
