// SPDX-License-Identifier: Apache-2.0

// Package conmon starts and drives crisp-conmon, the small C program that stands beside every pod: it carries out plans
// (package plan) in cloned children, owns the stdio of what it started, writes the logs, and remembers exits while no
// daemon listens.
//
//   - A monitor is one process of crisp-conmon. It outlives the daemon.
//
//   - A Client is a connection to a monitor. Any number may be open; after a restart the daemon Connects and Lists.
//
//   - A container is a process made by Create, which stands before its exec until StartContainer.
//
//   - An exec is a process made by Exec, which runs at once and gets its stdio as files from the caller.
//
//   - Once does without a monitor: an executor of its own makes one process and is gone. Proceed is what StartContainer is elsewhere.
//
// Each container that was created, and each exec that was started, gives exactly one Exit, whatever happens to it.
//
//	Create ─▶ created ─ StartContainer ─▶ running ─▶ exited ─ Forget ─▶ gone
//	   │         └── killed, or its exec failed ───────▲
//	   └─▶ StepError: nothing is left
//
// Worked example:
//
//	c, err := conmon.Start(ctx, conmon.StartConfig{SocketPath: "/run/crisp/pods/ID/conmon.sock"})
//	p, err := c.Create(ctx, conmon.CreateRequest{ID: id, Plan: pl, Files: files, Log: log, ExitDir: dir})
//	err = c.StartContainer(ctx, id)
//	ev := <-c.Events()                 // EventExit{ID: id, Exit: …}
//	err = c.Forget(ctx, id)
//	err = c.Shutdown(ctx, false)
//
// And without a monitor, from a subreaper:
//
//	l, err := conmon.Listen(dir + "/start.sock")                          // register f of the plan's BARRIER
//	p, err := conmon.Once(ctx, conmon.ExecRequest{Plan: pl, Files: append(files, l)})
//	s, err := conmon.Dial(dir + "/start.sock")                            // from this or any later process
//	err = conmon.Proceed(ctx, s, notes, nil)
package conmon

//go:generate go run ./internal/gen .
