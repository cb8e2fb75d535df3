// SPDX-License-Identifier: Apache-2.0

// Package stdio connects the streams of a process in a container with those of a client who may be slow, gone, or in no hurry to close.
//
//	client's reader ──Feed──▶ In.W ═══ In.R ──▶ process ──▶ Out.W ═══ Out.R ──Collect──▶ client's writer
//
// The process's ends (In.R, Out.W, Err.W) are closed here once the process has them (CloseRemote), so that the end of the process is the
// end of its output. What it has left running in the background may hold the output open: Drain waits for that with a bound.
//
//	p, err := stdio.New(false, true, true)
//	defer p.Close()
//	…start the process with p.Out.W and p.Err.W…
//	p.CloseRemote()
//	copied := p.Collect(&out, &errs)
//	…wait for the process…
//	p.Drain(copied)
package stdio
