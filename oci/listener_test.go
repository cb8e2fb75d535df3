// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"crisp/oci/agent/agenttest"
	"crisp/oci/seccomp"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// notifying is a profile that asks the agent for setdomainname, which the probe calls on "syscall", and for more.
func notifying(a *agenttest.Agent, more ...string) *specs.LinuxSeccomp {
	return &specs.LinuxSeccomp{
		DefaultAction: specs.ActAllow, ListenerPath: a.Path, ListenerMetadata: "metadata",
		Syscalls: []specs.LinuxSyscall{{Names: append([]string{"setdomainname"}, more...), Action: specs.ActNotify}},
	}
}

// exdev answers setdomainname with an error that the kernel never has for it, and lets all else pass.
func exdev(n agenttest.Notification) agenttest.Answer {
	if n.Nr == unix.SYS_SETDOMAINNAME {
		return agenttest.Answer{Errno: unix.EXDEV}
	}
	return agenttest.Answer{Continue: true}
}

const exdevText = "invalid cross-device link\n"

// TestAgentsAnswerNotifications: by every way that the listener takes, and at every place where the program is loaded.
func TestAgentsAnswerNotifications(t *testing.T) {
	b := newBench(t)
	a := agenttest.New(t, exdev)
	taken := notifying(a)
	taken.Syscalls = append(taken.Syscalls, specs.LinuxSyscall{Names: []string{"sendmsg", "sendmmsg"}, Action: specs.ActErrno})
	asked := notifying(a, "sendmsg", "read", "close", "accept4", "setresuid", "capset", "execve", "execveat", "futex", "mmap")
	flags := notifying(a)
	flags.Flags = []specs.LinuxSeccompFlag{"SECCOMP_FILTER_FLAG_TSYNC", specs.LinuxSeccompFlagLog}
	for name, profile := range map[string]*specs.LinuxSeccomp{
		"sent": notifying(a), "taken": taken, "asked for each step": asked, "flags": flags,
	} {
		for _, narrow := range []bool{false, true} {
			t.Run(name+map[bool]string{true: ", no_new_privs"}[narrow], func(t *testing.T) {
				b.TB = t
				s := b.spec("syscall")
				s.Process.NoNewPrivileges = narrow
				s.Linux.Seccomp = profile
				s.Annotations = map[string]string{"a": "b"}
				k := b.create(s)
				p := a.Process()
				want := specs.State{
					Version: s.Version, ID: k.ID, Status: specs.StateCreating, Pid: k.Pid, Bundle: k.dir, Annotations: s.Annotations,
				}
				checkProcess(t, p, k.Pid, want)
				if x := k.run(); x.Code != 0 || k.output() != exdevText {
					t.Errorf("exit %+v: %q", x, k.output())
				}
				a.Idle()
			})
		}
	}
}

func TestAgentsAnswerForExecs(t *testing.T) {
	b := newBench(t)
	a := agenttest.New(t, exdev)
	for _, narrow := range []bool{false, true} {
		s := b.spec("wait")
		s.Process.NoNewPrivileges = narrow
		s.Linux.Seccomp = notifying(a)
		k := b.running(s)
		a.Process()
		out, x := k.exec(s.Process, "syscall")
		if x.Code != 0 || out != exdevText {
			t.Errorf("exit %+v: %q", x, out)
		}
		p := a.Process()
		if p.Pid == k.Pid {
			t.Errorf("the exec's pid is the container's, %d", p.Pid)
		}
		checkProcess(t, p, p.Pid, specs.State{Version: s.Version, ID: k.ID, Status: specs.StateRunning, Pid: k.Pid, Bundle: k.dir})
		a.Idle()
	}
}

// TestStartContainerHooksHaveTheAgentToo: they run as the workload does.
func TestStartContainerHooksHaveTheAgentToo(t *testing.T) {
	b := newBench(t)
	a := agenttest.New(t, exdev)
	s := b.spec("exit", "0")
	s.Linux.Seccomp = notifying(a)
	s.Hooks = &specs.Hooks{StartContainer: []specs.Hook{{Path: "/probe", Args: []string{"probe", "syscall"}}}}
	k := b.create(s)
	a.Process()
	k.start()
	p := a.Process()
	checkProcess(t, p, p.Pid, specs.State{Version: s.Version, ID: k.ID, Status: specs.StateCreated, Pid: k.Pid, Bundle: k.dir})
	b.wait(k.ID)
}

func checkProcess(t *testing.T, p specs.ContainerProcessState, pid int, state specs.State) {
	t.Helper()
	equal(t, "version", p.Version, specs.Version)
	equal(t, "pid", p.Pid, pid)
	equal(t, "metadata", p.Metadata, "metadata")
	equal(t, "state", p.State.Version, state.Version)
	equal(t, "ID", p.State.ID, state.ID)
	equal(t, "status", p.State.Status, state.Status)
	equal(t, "container's pid", p.State.Pid, state.Pid)
	equal(t, "bundle", p.State.Bundle, state.Bundle)
	equal(t, "annotations", p.State.Annotations["a"], state.Annotations["a"])
}

// TestMissingAgentsAreNamed: nothing is left of a container, or an exec, that nobody would answer for.
func TestMissingAgentsAreNamed(t *testing.T) {
	b := newBench(t)
	for _, narrow := range []bool{false, true} {
		s := b.spec("syscall")
		s.Process.NoNewPrivileges = narrow
		s.Linux.Seccomp = notifying(&agenttest.Agent{Path: "/nonexistent/agent.sock"})
		_, err := b.tryCreate(s)
		if !errors.Is(err, unix.ENOENT) || err.Error() != "linux.seccomp.listenerPath /nonexistent/agent.sock: connect: no such file or directory" {
			t.Errorf("create: %v", err)
		}
	}
	b.untilForgotten()
	for _, narrow := range []bool{false, true} {
		a := agenttest.New(t, exdev)
		s := b.spec("wait")
		s.Process.NoNewPrivileges = narrow
		s.Linux.Seccomp = notifying(a)
		k := b.running(s)
		k.program.Listener.Path = filepath.Dir(a.Path) + "/none.sock"
		_, err := k.Exec(b.ctx, ExecRequest{Process: s.Process})
		if !errors.Is(err, unix.ENOENT) || !strings.HasPrefix(err.Error(), "linux.seccomp.listenerPath "+filepath.Dir(a.Path)+"/none.sock: ") {
			t.Errorf("exec: %v", err)
		}
		if err := k.Kill(unix.SIGKILL); err != nil {
			t.Fatal(err)
		}
		b.wait(k.ID)
	}
}

// TestProfilesThatWouldBlockTheStartAreRefused before anything is made.
func TestProfilesThatWouldBlockTheStartAreRefused(t *testing.T) {
	a := &agenttest.Agent{Path: "/x"}
	noWay := notifying(a)
	noWay.DefaultAction = specs.ActErrno
	onlySome := notifying(a, "sendmsg")
	onlySome.Syscalls = append(onlySome.Syscalls, specs.LinuxSyscall{
		Names: []string{"write"}, Action: specs.ActErrno, Args: []specs.LinuxSeccompArg{{Index: 0, Value: 2, Op: specs.OpEqualTo}},
	})
	for name, profile := range map[string]*specs.LinuxSeccomp{
		"write notifies": notifying(a, "write"), "no way out": noWay, "no sure way out": onlySome,
		"no agent": {DefaultAction: specs.ActAllow, Syscalls: []specs.LinuxSyscall{{Names: []string{"mkdir"}, Action: specs.ActNotify}}},
		"default":  {DefaultAction: specs.ActNotify, ListenerPath: "/x"},
	} {
		if _, err := seccomp.Compile(profile); !errors.Is(err, seccomp.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestAProgramThatKillsAtTheStartIsAnErrorOfCreate: a process that dies on its way to the barrier was not created.
func TestAProgramThatKillsAtTheStartIsAnErrorOfCreate(t *testing.T) {
	b := newBench(t)
	s := b.spec("exit", "0")
	s.Process.NoNewPrivileges = false
	s.Linux.Seccomp = &specs.LinuxSeccomp{
		DefaultAction: specs.ActAllow, Syscalls: []specs.LinuxSyscall{{Names: []string{"capset"}, Action: specs.ActKillProcess}},
	}
	_, err := b.tryCreate(s)
	if err == nil || !strings.Contains(err.Error(), "SIGSYS") {
		t.Errorf("%v", err)
	}
}
