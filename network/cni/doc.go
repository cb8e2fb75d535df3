// SPDX-License-Identifier: Apache-2.0

// Package cni attaches pods by CNI plugins (specification 1.1, github.com/containernetworking/cni/blob/main/SPEC.md).
//
// A configuration is a list of plugins. The first one of the directory in lexical order is used; it is looked at each time that it is
// wanted, so a change counts at once. If it cannot be read, the network is not ready: the next one would connect pods elsewhere.
//
// Each attachment has a record with the configuration and the arguments it was made with, on disk and synced before the first plugin is
// called. libcni's cache beside it has the result, if ADD succeeded.
//
//	<cache>/attachments/<pod ID>.json            the record
//	<cache>/results/<network>-<pod ID>-eth0      libcni's cache
//
//	         record synced          ADD
//	(none) ───────────────▶ begun ──────▶ attached (record and result)
//	   ▲                      │               │
//	   └──────────────────────┴───────────────┘ DEL with what the record says, until it succeeds; then the record goes
//
// An attachment that is found begun is undone by DEL before ADD is called again. DEL needs neither the namespace nor the configuration
// of today: addresses that plugins reserve on disk (host-local) would leak otherwise. GC has the plugins compare what they have
// reserved with the records.
//
// Plugins are killed, with their children, when the context ends. What they say in an error is passed on. STATUS is asked
// in the background, and Status answers from memory.
//
//	n, err := cni.Open(cni.Options{ConfDir: "/etc/cni/net.d", BinDirs: []string{"/opt/cni/bin"}, CacheDir: dir, Log: log})
//	if err := n.Status(); errors.Is(err, cni.ErrNotConfigured) { … }
//	res, err := n.Attach(ctx, attachment.Pod{ID: id, Name: "web-0", Namespace: "default", NetNS: path})
//	err = n.Detach(ctx, id)
package cni
