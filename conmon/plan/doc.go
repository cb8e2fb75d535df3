// SPDX-License-Identifier: Apache-2.0

// Package plan builds, encodes and decodes plans: the flat lists of steps that a child of crisp-conmon carries out to
// become a container's process. The definition is conmon/src/protocol.h; this package mirrors it and adds words.
//
//   - A step is one system call, or one small composite of them, with its arguments as data.
//   - A register holds a file descriptor of the child. Registers 0, 1, 2, … are filled with the files that travel with the
//     plan; a step puts the descriptor that it makes in its Out register.
//   - A note says in human words what a step is for. Notes are not encoded: the child reports the index of the step
//     that failed, and whoever holds the plan finds the words.
//
// A plan is data, so the order of every mount and capability drop is tested without root: String gives the golden text.
//
//	p := plan.New()
//	root := p.File()                      // register 0: the caller sends the root file system's mount
//	s := plan.Make(plan.OpFchdir, "enter the root")
//	s.FD = root
//	p.Add(s)
//	e := plan.Make(plan.OpExec, "start /bin/true")
//	e.Str[0], e.Argv, e.Env = "/bin/true", []string{"true"}, []string{"PATH=/bin"}
//	p.Add(e)
//	b, err := p.Encode()
package plan
