// SPDX-License-Identifier: Apache-2.0

package conmon

import (
	"os"
	"testing"

	"crisp/conmon/plan"

	"golang.org/x/sys/unix"
)

// trivial is a plan of nothing but /bin/true's like: our own program, as pause, which a signal ends.
func trivial(b *testing.B, barrier bool) (*plan.Plan, []*os.File) {
	program, err := Binary()
	if err != nil {
		b.Skip(err)
	}
	p := plan.New()
	e := plan.Make(plan.OpExec, "start")
	e.FD, e.Argv = p.File(), []string{"crisp-conmon"} // ends at once: nothing listens at its fd 3
	p.Add(plan.Make(plan.OpStdio, "stdio"))
	if barrier {
		p.Add(plan.Make(plan.OpBarrier, "created"))
	}
	p.Add(e)
	return p, []*os.File{program}
}

// BenchmarkCreateStartExit is a container's whole life in the monitor: CREATE, START, its exit, FORGET.
func BenchmarkCreateStartExit(b *testing.B) {
	m := startMonitor(b)
	p, files := trivial(b, true)
	log := openLog(b, os.DevNull)
	defer log.Close()
	for b.Loop() {
		k, err := m.Create(m.ctx, CreateRequest{ID: "bench", Plan: p, Files: files, Log: log})
		if err != nil {
			b.Fatal(err)
		}
		k.Close()
		if err := m.StartContainer(m.ctx, "bench"); err != nil {
			b.Fatal(err)
		}
		<-m.Events()
		if err := m.Forget(m.ctx, "bench"); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCreate is CREATE alone, up to the barrier.
func BenchmarkCreate(b *testing.B) {
	m := startMonitor(b)
	p, files := trivial(b, true)
	for b.Loop() {
		k, err := m.Create(m.ctx, CreateRequest{ID: "bench", Plan: p, Files: files})
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		k.Close()
		if err := m.Signal(m.ctx, "bench", unix.SIGKILL); err != nil {
			b.Fatal(err)
		}
		<-m.Events()
		if err := m.Forget(m.ctx, "bench"); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}

// BenchmarkExec is an exec from the request to its exit.
func BenchmarkExec(b *testing.B) {
	m := startMonitor(b)
	p, files := trivial(b, false)
	for b.Loop() {
		e, err := m.Exec(m.ctx, ExecRequest{Plan: p, Files: files})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := e.Wait(m.ctx); err != nil {
			b.Fatal(err)
		}
		e.Close()
	}
}

// BenchmarkStart is the start and the end of a monitor.
func BenchmarkStart(b *testing.B) {
	for b.Loop() {
		m := startMonitor(b)
		m.stop()
	}
}

// BenchmarkLog is the way of 100-byte lines from a pipe to a file.
func BenchmarkLog(b *testing.B) {
	m := startMonitor(b)
	const size = 64 << 20
	b.SetBytes(size)
	for b.Loop() {
		k := m.create("yes 0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789 | head -c 67108864")
		k.run()
		b.StopTimer()
		os.Remove(k.log)
		b.StartTimer()
	}
}
