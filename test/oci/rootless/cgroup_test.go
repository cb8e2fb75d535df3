// SPDX-License-Identifier: Apache-2.0

package rootless

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

const waits = "touch /started; while :; do sleep 0.01; done"

func memory(limit int64) func(*specs.Spec) {
	return func(s *specs.Spec) {
		s.Linux.Resources = &specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: &limit}}
	}
}

func TestWithoutRightsThereAreNoCgroups(t *testing.T) {
	u := newUser(t)
	const hint = "rootless needs no limits + no cgrouppath when no permission is granted for cgroups"
	u.bundle("limit", "true", memory(32<<20)).fails(hint, "run", "limit")
	path := u.bundle("path", "true", func(s *specs.Spec) { s.Linux.CgroupsPath = "/crisp-path" })
	path.fails("permission denied", "run", "path")
	u.bundle("strict", "true").fails("permission denied", "--rootless=false", "run", "strict")

	c := u.bundle("c", waits)
	c.running()
	for _, command := range [][]string{{"pause", "c"}, {"resume", "c"}, {"events", "--stats", "c"}, {"update", "--memory", "32m", "c"}} {
		c.fails("no cgroup of its own", command...)
	}
	if out := c.does("ps", "--format", "json", "c"); !strings.HasPrefix(out, fmt.Sprintf("[%d", c.state().Pid)) {
		t.Errorf("ps: %s, not %d", out, c.state().Pid)
	}
	c.does("kill", "--all", "c", "KILL")
	c.eventually("its end", func() bool { return c.state().Status == specs.StateStopped })

	all := u.bundle("all", "(trap 'touch /told; exit' TERM; touch /started; while :; do sleep 0.01; done) & trap : TERM; wait; wait")
	all.running()
	all.does("kill", "--all", "all", "TERM")
	all.eventually("all were told", func() bool { _, err := os.Stat(u.path("home/all/rootfs/told")); return err == nil })
}

func TestDelegatedCgroupsAreUsed(t *testing.T) {
	u := newUser(t)
	d := u.delegate()
	c := u.bundle("c", waits, func(s *specs.Spec) {
		if d.unified { // nothing of a limit where processes are: that is the kernel's rule
			s.Linux.CgroupsPath = d.path + "/user/crisp-c"
		}
		memory(64 << 20)(s)
	})
	c.running()
	if got := d.read(t, "crisp-c", "memory.max", "memory.limit_in_bytes"); got != "67108864" {
		t.Errorf("memory limit %s", got)
	}
	if procs := d.read(t, "crisp-c", "cgroup.procs", "cgroup.procs"); !strings.Contains("\n"+procs+"\n", fmt.Sprintf("\n%d\n", c.state().Pid)) {
		t.Errorf("processes %q, not %d", procs, c.state().Pid)
	}
	where := "/crisp-c$"
	if d.unified { // in a cgroup namespace
		where = "^0::/$"
	}
	c.does("exec", "c", "grep", where, "/proc/self/cgroup")
	if out := c.does("ps", "c"); !strings.Contains(out, fmt.Sprint(c.state().Pid)) {
		t.Errorf("ps: %s", out)
	}
	c.does("pause", "c")
	if s := c.state(); s.Status != "paused" {
		t.Errorf("paused, it is %s", s.Status)
	}
	c.does("resume", "c")
	c.does("update", "--memory", "48m", "--pids-limit", "50", "c")
	if got := d.read(t, "crisp-c", "memory.max", "memory.limit_in_bytes"); got != "50331648" {
		t.Errorf("updated memory limit %s", got)
	}
	if got := d.read(t, "crisp-c", "pids.max", "pids.max"); got != "50" {
		t.Errorf("pids limit %s", got)
	}
	c.does("kill", "--all", "c", "KILL")
	c.eventually("its end", func() bool { return c.state().Status == specs.StateStopped })
	c.does("delete", "c")
	if left := d.cgroups(t, "crisp-c"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestCgroupsAreBelowOnesOwn: without a cgroupsPath.
func TestCgroupsAreBelowOnesOwn(t *testing.T) {
	u := newUser(t)
	d := u.delegate()
	c := u.bundle("c", waits)
	c.running()
	for _, dir := range d.cgroups(t, "crisp-c") {
		if !strings.HasSuffix(dir, d.path+"/user/shell/crisp-c") {
			t.Errorf("the cgroup is %s", dir)
		}
	}
	if n := len(d.cgroups(t, "crisp-c")); n != len(d.dirs) {
		t.Errorf("cgroups in %d hierarchies, not in %d", n, len(d.dirs))
	}
	c.does("pause", "c")
	c.does("resume", "c")
	c.does("delete", "--force", "c")
	if left := d.cgroups(t, "crisp-c"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
