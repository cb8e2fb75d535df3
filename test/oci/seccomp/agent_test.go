// SPDX-License-Identifier: Apache-2.0

package seccomp

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"crisp/oci/agent/agenttest"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// pretend says that a directory was made, and makes none.
func pretend(n agenttest.Notification) agenttest.Answer {
	if n.Nr == unix.SYS_MKDIRAT {
		return agenttest.Answer{}
	}
	return agenttest.Answer{Continue: true}
}

func asking(a *agenttest.Agent) *specs.LinuxSeccomp {
	return &specs.LinuxSeccomp{
		DefaultAction: specs.ActAllow, ListenerPath: a.Path, ListenerMetadata: "for the agent",
		Syscalls: []specs.LinuxSyscall{{Names: []string{"mkdir", "mkdirat"}, Action: specs.ActNotify}},
	}
}

// TestAnAgentFakesCalls of the first process and of a further one, by create, start and exec, with and without no_new_privs.
func TestAnAgentFakesCalls(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		for _, narrow := range []bool{true, false} {
			a := agenttest.New(t, pretend)
			dir, id := b.bundle(asking(a), func(s *specs.Spec) {
				s.Process.NoNewPrivileges = narrow
				s.Annotations = map[string]string{"org.example": "x"}
			}, "wait")
			pidFile := filepath.Join(dir, "pid")
			b.ok("create", "--bundle", dir, "--pid-file", pidFile, id)
			defer b.delete(id)
			pid := readPid(t, pidFile)
			check(t, "create", a.Process(), pid, specs.State{ID: id, Status: specs.StateCreating, Pid: pid, Bundle: dir})
			b.ok("start", id)
			if out := b.ok("exec", id, "/probe", "mkdir", "/made").out; out != "<nil>, there: false\n" {
				t.Errorf("exec: %q", out)
			}
			p := a.Process()
			if p.Pid == pid {
				t.Errorf("the exec's pid is that of the container, %d", pid)
			}
			check(t, "exec", p, p.Pid, specs.State{ID: id, Status: specs.StateRunning, Pid: pid, Bundle: dir})
			a.Idle()
		}
	})
}

func TestAnAgentFakesCallsOfRun(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		a := agenttest.New(t, pretend)
		if out := b.run(asking(a), nil, "mkdir", "/made"); out != "<nil>, there: false\n" {
			t.Errorf("%q", out)
		}
		a.Process()
		if out := b.run(nil, nil, "mkdir", "/made"); out != "<nil>, there: true\n" {
			t.Errorf("without a profile: %q", out)
		}
	})
}

// TestAnAgentOfSendmsg: what hands listeners over must not ask the agent that has none yet (bypass4netns has sendmsg notified).
func TestAnAgentOfSendmsg(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		a := agenttest.New(t, pretend)
		profile := asking(a)
		profile.Syscalls[0].Names = append(profile.Syscalls[0].Names, "sendmsg", "sendto", "connect", "close", "bind", "setsockopt", "exit_group")
		if out := b.run(profile, nil, "mkdir", "/made"); out != "<nil>, there: false\n" {
			t.Errorf("%q", out)
		}
	})
}

func TestNoAgentNoContainer(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		for _, narrow := range []bool{true, false} {
			gone := &agenttest.Agent{Path: filepath.Join(b.dir, "none.sock")}
			for _, command := range []string{"create", "run"} {
				dir, id := b.bundle(asking(gone), func(s *specs.Spec) { s.Process.NoNewPrivileges = narrow }, "wait")
				r := b.command(command, "--bundle", dir, id)
				if r.code == 0 || !strings.Contains(r.errs, gone.Path) || !strings.Contains(r.errs, "no such file or directory") {
					t.Errorf("%s: %v", command, r)
				}
			}
		}
	})
}

func TestWriteIsNotAskedFor(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		profile := asking(agenttest.New(t, pretend))
		profile.Syscalls[0].Names = []string{"write"}
		dir, id := b.bundle(profile, nil, "wait")
		if r := b.command("create", "--bundle", dir, id); r.code == 0 || !strings.Contains(r.errs, "write") {
			t.Errorf("%v", r)
		}
	})
}

func check(t *testing.T, what string, p specs.ContainerProcessState, pid int, want specs.State) {
	t.Helper()
	s := p.State
	if p.Pid != pid || p.Metadata != "for the agent" || p.Version != specs.Version ||
		s.ID != want.ID || s.Status != want.Status || s.Pid != want.Pid || s.Bundle != want.Bundle || s.Annotations["org.example"] != "x" {
		t.Errorf("%s: the agent was told %+v, want pid %d, %+v", what, p, pid, want)
	}
}

func readPid(t *testing.T, file string) int {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	return pid
}
