// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"errors"
	"io"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// running is a container whose workload waits.
func (b *bench) running(s *specs.Spec) *subject {
	b.Helper()
	k := b.create(s)
	k.start()
	k.ready(1)
	return k
}

func TestExecSeesTheContainer(t *testing.T) {
	b := newBench(t)
	s := b.spec("wait")
	s.Process.OOMScoreAdj = ptr(700)
	s.Process.Cwd = "/work"
	s.Linux.Seccomp = &specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Syscalls: []specs.LinuxSyscall{
		{Names: []string{"setdomainname"}, Action: specs.ActErrno},
	}}
	k := b.running(s)
	p := *s.Process
	p.User = specs.User{UID: 7, GID: 8, AdditionalGids: []uint32{9}}
	p.NoNewPrivileges = true
	p.Env = []string{"A=b"}
	p.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_CORE"}}
	out, x := k.exec(&p, "facts", "/proc/1/cmdline", "/proc/sys", "/")
	if x.Code != 0 {
		t.Fatalf("exit %+v: %s", x, out)
	}
	f := readFacts(t, out)
	equal(t, "hostname", f.Hostname, "web-0")
	equal(t, "process 1", strings.HasPrefix(f.Paths["/proc/1/cmdline"].Content, "/probe\x00wait"), true)
	equal(t, "uids", f.Status["Uid"], "7\t7\t7\t7")
	equal(t, "groups", f.Status["Groups"], "9")
	equal(t, "no_new_privs", f.Status["NoNewPrivs"], "1")
	equal(t, "seccomp", f.Status["Seccomp"], "2")
	equal(t, "oom_score_adj", f.OOMScoreAdj, "700")
	equal(t, "cwd", f.Cwd, "/work")
	equal(t, "environment", strings.Join(f.Env, " "), "A=b HOME=/")
	equal(t, "core size", f.Limits["Max core file size"], "0 0")
	if w := f.Paths["/proc/sys"].WriteError; w == "" {
		t.Error("/proc/sys can be written to")
	}
	checkDescriptors(t, f)
	checkCapabilities(t, f, "00000000000005fb", "0000000000000000", "0000000000000000")
	for _, name := range []string{"mnt", "pid", "ipc", "uts", "net", "cgroup"} {
		want, err := os.Readlink("/proc/" + itoa(k.Pid) + "/ns/" + name)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "namespace "+name, f.Namespaces[name], want)
	}
	for line := range strings.Lines(f.Cgroup) {
		if !strings.HasSuffix(line, ":/\n") && !strings.HasSuffix(line, ":/") {
			t.Errorf("cgroup %q is not the container's", line)
		}
	}
}

func TestExecTellsItsExit(t *testing.T) {
	b := newBench(t)
	s := b.spec("wait")
	k := b.running(s)
	if _, x := k.exec(s.Process, "exit", "7"); x.Code != 7 {
		t.Errorf("exit %+v", x)
	}
	p := *s.Process
	p.Args = []string{"missing"}
	_, err := k.Exec(b.ctx, ExecRequest{Process: &p})
	if !errors.Is(err, unix.ENOENT) || !strings.HasPrefix(err.Error(), "exec missing: ") {
		t.Errorf("missing program: %v", err)
	}
	p.Cwd = "/missing"
	if _, err = k.Exec(b.ctx, ExecRequest{Process: &p}); !errors.Is(err, unix.ENOENT) || !strings.Contains(err.Error(), "working directory /missing") {
		t.Errorf("missing working directory: %v", err)
	}
	p.Cwd = "relative"
	if _, err = k.Exec(b.ctx, ExecRequest{Process: &p}); !errors.Is(err, ErrInvalid) {
		t.Errorf("relative working directory: %v", err)
	}
}

func TestExecWithTerminal(t *testing.T) {
	b := newBench(t)
	s := b.spec("wait")
	k := b.running(s)
	p := *s.Process
	p.Args = []string{"/probe", "facts"}
	e, err := k.Exec(b.ctx, ExecRequest{Process: &p, TTY: true})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	out, err := io.ReadAll(e.Console)
	if err != nil && !errors.Is(err, unix.EIO) { // EIO: the other side was closed
		t.Fatal(err)
	}
	if x, err := e.Wait(b.ctx); err != nil || x.Code != 0 {
		t.Fatalf("exit %+v, %v", x, err)
	}
	f := readFacts(t, string(out))
	equal(t, "stdin", f.FDs["0"], "/dev/pts/0")
	checkDescriptors(t, f)
}

func TestExecsDoNotDisturbEachOther(t *testing.T) {
	b := newBench(t)
	s := b.spec("wait")
	k := b.running(s)
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			p := *s.Process
			p.Args = []string{"/probe", "exit", itoa(i)}
			e, err := k.Exec(b.ctx, ExecRequest{Process: &p})
			if err != nil {
				t.Error(err)
				return
			}
			defer e.Close()
			if x, err := e.Wait(b.ctx); err != nil || x.Code != i {
				t.Errorf("exit %+v, %v, want %d", x, err, i)
			}
		})
	}
	wg.Wait()
}

// TestExecRacingTheExit: an exec either runs or tells that the container is gone.
func TestExecRacingTheExit(t *testing.T) {
	b := newBench(t)
	for range 8 {
		s := b.spec("wait")
		k := b.running(s)
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				p := *s.Process
				p.Args = []string{"/probe", "exit", "0"}
				e, err := k.Exec(b.ctx, ExecRequest{Process: &p})
				if err != nil {
					if !errors.Is(err, ErrNotRunning) {
						t.Errorf("exec in a container that ends: %v", err)
					}
					return
				}
				defer e.Close()
				if _, err := e.Wait(b.ctx); err != nil {
					t.Error(err)
				}
			})
		}
		if err := k.Kill(unix.SIGKILL); err != nil {
			t.Error(err)
		}
		wg.Wait()
		b.wait(k.ID)
	}
}

func TestExecOfContainerOnTheHostsNamespaces(t *testing.T) {
	b := newBench(t)
	s := b.spec("wait")
	s.Linux.Namespaces = []specs.LinuxNamespace{{Type: specs.MountNamespace}}
	s.Hostname, s.Linux.Sysctl = "", nil
	k := b.running(s)
	out, x := k.exec(s.Process, "facts")
	if x.Code != 0 {
		t.Fatalf("exit %+v: %s", x, out)
	}
	f := readFacts(t, out)
	for _, name := range []string{"pid", "net", "uts"} {
		want, err := os.Readlink("/proc/self/ns/" + name)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "namespace "+name, f.Namespaces[name], want)
	}
}
