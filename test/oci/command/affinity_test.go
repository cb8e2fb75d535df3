// SPDX-License-Identifier: Apache-2.0

package command

import (
	"os/exec"
	"runtime"
	"testing"
)

// Whoever starts the runtime on one CPU does not keep the container there (runc's cpu_affinity.bats).
func TestContainersRunOnAllCPUs(t *testing.T) {
	b := newBench(t)
	taskset, err := exec.LookPath("taskset")
	if err != nil || runtime.NumCPU() < 2 {
		t.Skip("needs taskset and two CPUs")
	}
	b.newer("runc before 1.4 keeps them there", false)
	onOne := func(args ...string) string {
		t.Helper()
		cmd := b.command(args...)
		cmd.Args = append([]string{taskset, "-c", "0", cmd.Path}, cmd.Args[1:]...)
		cmd.Path = taskset
		r := b.run(cmd)
		if r.code != 0 {
			t.Fatal(r)
		}
		return r.out
	}
	const allowed = "grep Cpus_allowed_list /proc/self/status"
	c := b.bundle(allowed)
	want := b.ok("run", "--bundle", c.bundle, c.id)
	if want == "Cpus_allowed_list:\t0\n" {
		t.Skip("there is one CPU for us")
	}
	if got := onOne("run", "--bundle", c.bundle, c.id); got != want {
		t.Errorf("run: %q, want %q", got, want)
	}
	d := b.running(waiting)
	if got := onOne("exec", d.id, "/bin/sh", "-c", allowed); got != want {
		t.Errorf("exec: %q, want %q", got, want)
	}
}

// A container that waits for its start can be entered. It holds nothing open that leads out of it.
func TestACreatedContainerHoldsNothingOpen(t *testing.T) {
	b := newBench(t)
	b.newer("runc's own files are in sight", false)
	c := b.bundle(waiting)
	b.ok("create", "--bundle", c.bundle, c.id)
	out, err := exec.Command("find", "/proc/"+itoa(b.pid(c))+"/fd", "-lname", "/sys/fs/cgroup*", "-o", "-lname", "/dev/pts", "-o", "-lname", "/dev").CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("%s%v", out, err)
	}
}
