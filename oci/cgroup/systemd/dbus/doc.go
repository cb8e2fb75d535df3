// SPDX-License-Identifier: Apache-2.0

// Package dbus is as much of a D-Bus client as package systemd needs: calls to a peer at a Unix socket, their replies, and signals.
// It follows the D-Bus specification 0.43; section names below are of that.
//
// # Terms
//
// A peer is a program at the other end of a socket, without a bus between: systemd's own /run/systemd/private. It takes calls as a bus
// would and sends its signals to everybody who is connected. A body is the arguments of a message, in the types
// that its signature says.
//
// # Life cycle
//
//	Dial ─ connect, authenticate (EXTERNAL) ─▶ Conn ─ Call, Signal … ─▶ Close
//	                                             └─ its context ends: every call fails with the context's error
//
// # Worked example
//
//	c, err := dbus.Dial(ctx, "/run/systemd/private")
//	defer c.Close()
//	reply, err := c.Call(dbus.Call{
//		Destination: "org.freedesktop.systemd1", Path: "/org/freedesktop/systemd1",
//		Interface: "org.freedesktop.systemd1.Manager", Member: "StopUnit", Body: []any{"a.scope", "replace"},
//	})
//	job, err := reply.Strings()          // the path of a job
//	signal, err := c.Signal()            // JobRemoved, in time
//
// # Why not godbus
//
// github.com/godbus/dbus/v5 is the library for this, and was measured: linked into a program like crisp-oci, and not even called, it adds
// 570 KiB to the peak memory of 2,650 KiB of every command. It also brings package net and goroutines, where two system calls do here.
package dbus
