// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// verifyExec wants a further process to be where the first one is.
func verifyExec(b *bench) {
	k := b.bundle()
	k.Hostname = "shared"
	k.Linux.Seccomp = nil
	var asks []string
	for _, kind := range namespaceTypes {
		asks = append(asks, "ns "+namespaceFiles[kind])
	}
	asks = append(asks, "read /proc/self/cgroup", "hostname", "umask", "fds", "status NoNewPrivs", "caps Bnd", "caps Eff", "read /proc/self/oom_score_adj", "mount flags /sys")
	k.asks = asks
	c := k.create()
	want := c.start()
	got := c.exec(nil, asks...)
	for _, ask := range asks {
		if got[ask] != want[ask] {
			b.errorf("%s: %q, but the container has %q", ask, got[ask], want[ask])
		}
	}
	c.stop()
	b.fails("exec", c.id, "/probe", "ask")
	c.delete()
	b.fails("exec", c.id, "/probe", "ask")
}

func verifyExecFlags(b *bench) {
	c := b.bundle().create()
	c.start()
	a := c.exec([]string{"--user", "1000:1001", "--cwd", "/proc", "--env", "ADDED=1", "--additional-gids", "7"}, "ids", "cwd", "env ADDED", "env PATH", "groups")
	if a["ids"] != "1000 1000 1000 1001 1001 1001" || a["cwd"] != "/proc" || a["env ADDED"] != "1" || a["env PATH"] != "/" || a["groups"] != "7" {
		b.errorf("%q", a)
	}
	if a := c.exec([]string{"--cap", "CAP_SYS_CHROOT", "--no-new-privs"}, "caps Bnd", "status NoNewPrivs"); !strings.Contains(" "+a["caps Bnd"]+" ", " "+capSet("CAP_SYS_CHROOT")+" ") || a["status NoNewPrivs"] != "1" {
		b.errorf("%q", a)
	}
	if r := c.command("exec", c.id, "/probe", "exit", "6"); r.code != 6 {
		b.errorf("exit 6: %v", r)
	}
	b.fails("exec", c.id, "/not/there")
	b.fails("exec", c.id)
	c.stop()
	c.delete()
}

func verifyExecProcess(b *bench) {
	c := b.bundle().create()
	c.start()
	p := &specs.Process{
		User: specs.User{UID: 12, GID: 13, Umask: new(uint32(0o77)), AdditionalGids: []uint32{14}}, Env: []string{"ONLY=this"}, Cwd: "/dev",
		Capabilities: &fiveSets, NoNewPrivileges: true, OOMScoreAdj: new(700), Rlimits: []specs.POSIXRlimit{{Type: "RLIMIT_CORE", Soft: 1, Hard: 2}},
		IOPriority: &specs.LinuxIOPriority{Class: specs.IOPRIO_CLASS_BE, Priority: 6}, Scheduler: &specs.Scheduler{Policy: specs.SchedBatch, Nice: 4},
	}
	r := row{sees: []sight{
		{"ids", "12 12 12 13 13 13"}, {"umask", "0077"}, {"groups", "14"}, {"env ONLY", "this"}, {"env PATH", "unset"}, {"cwd", "/dev"}, {"status NoNewPrivs", "1"},
		{"caps Bnd", capSet(fiveSets.Bounding...)}, {"caps Amb", capSet("CAP_NET_RAW")}, {"caps Inh", capSet(fiveSets.Inheritable...)},
		{"read /proc/self/oom_score_adj", "700"}, {"rlimit 4", "1 2"},
	}}
	for _, s := range r.sees {
		c.asks = append(c.asks, s.ask)
	}
	r.judge(b, c.execProcess(p, c.asks...))
	c.stop()
	c.delete()
}

func verifyExecPriorities(b *bench) {
	c := b.bundle().create()
	c.start()
	p := &specs.Process{
		Capabilities: c.Process.Capabilities, IOPriority: &specs.LinuxIOPriority{Class: specs.IOPRIO_CLASS_BE, Priority: 6},
		Scheduler: &specs.Scheduler{Policy: specs.SchedBatch, Nice: 4},
	}
	a := c.execProcess(p, "ioprio", "sched")
	if a["ioprio"] != "2 6" || !strings.HasPrefix(a["sched"], "policy=3 nice=4 ") {
		b.errorf("%q", a)
	}
	c.stop()
	c.delete()
}

func verifyExecDetach(b *bench) {
	c := b.bundle().create()
	c.start()
	pidFile := b.path("exec-pid")
	b.ok("exec", "--detach", "--pid-file", pidFile, c.id, "/probe", "stay", "ids")
	text, err := os.ReadFile(pidFile)
	b.must(err)
	pid, err := strconv.Atoi(string(text))
	b.must(err)
	ours, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", pid))
	theirs, _ := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", c.pid))
	if err != nil || ours != theirs {
		b.errorf("%d is in %s, not %s (%v)", pid, ours, theirs, err)
	}
	c.stop() // which ends all of the PID namespace
	c.delete()
}
