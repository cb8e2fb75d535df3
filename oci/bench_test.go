// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"crisp/conmon"

	"github.com/moby/profiles/seccomp"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// kubernetesSpec is what a typical pod asks for: namespaces of the pod, 25 mounts, masked paths, the default seccomp profile.
func (b *bench) kubernetesSpec(args ...string) *specs.Spec {
	pod := b.create(b.spec("wait"))
	s := b.spec(args...)
	for i := range s.Linux.Namespaces {
		n := &s.Linux.Namespaces[i]
		switch n.Type {
		case specs.NetworkNamespace, specs.IPCNamespace, specs.UTSNamespace:
			n.Path = "/proc/" + itoa(pod.Pid) + "/ns/" + namespaceFile(n.Type)
		}
	}
	for i := range 25 - len(s.Mounts) {
		dir := filepath.Join(b.TempDir(), "volume")
		if err := os.Mkdir(dir, 0o755); err != nil {
			b.Fatal(err)
		}
		s.Mounts = append(s.Mounts, specs.Mount{
			Destination: fmt.Sprintf("/volumes/%d", i), Type: "bind", Source: dir, Options: []string{"rbind", "rprivate", "ro"},
		})
	}
	profile, err := seccomp.GetDefaultProfile(s)
	if err != nil {
		b.Fatal(err)
	}
	s.Linux.Seccomp = profile
	return s
}

// BenchmarkCreate is a whole create of a typical container; its end is not counted.
func BenchmarkCreate(b *testing.B) {
	t := newBench(b)
	s := t.kubernetesSpec("wait")
	b.ReportMetric(float64(len(s.Mounts)), "mounts")
	i := 0
	for b.Loop() {
		i++
		s.Linux.CgroupsPath = fmt.Sprintf("%s/bench-%d", testCgroup, i)
		c, err := t.runtime.Create(t.ctx, CreateRequest{ID: newID(), Monitor: t.monitor, Spec: s})
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		t.end(c)
		b.StartTimer()
	}
}

// end kills and deletes a container.
func (b *bench) end(c *Container) {
	if err := c.Kill(unix.SIGKILL); err != nil {
		b.Fatal(err)
	}
	b.wait(c.ID)
	(&subject{Container: c, b: b}).untilExited()
	if err := c.Delete(b.ctx); err != nil {
		b.Fatal(err)
	}
	if err := b.monitor.Forget(b.ctx, c.ID); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkExec is an exec in a typical container, to its exit.
func BenchmarkExec(b *testing.B) {
	t := newBench(b)
	s := t.kubernetesSpec("wait")
	k := t.create(s)
	k.start()
	k.ready(1)
	p := *s.Process
	p.Args = []string{"/probe", "nothing"}
	for b.Loop() {
		x, err := k.Exec(t.ctx, ExecRequest{Process: &p})
		if err != nil {
			b.Fatal(err)
		}
		var exit conmon.Exit
		if exit, err = x.Wait(t.ctx); err != nil || exit.Code != 64 {
			b.Fatal(exit, err)
		}
		x.Close()
	}
}

// BenchmarkCompile is the part of a create that is pure.
func BenchmarkCompile(b *testing.B) {
	t := newBench(b)
	s := t.kubernetesSpec("wait")
	program, err := compileSeccomp(s, t.runtime.seccomp.Compile)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		c, err := Compile(s, CompileOptions{ID: "x", CgroupPath: "/x", Host: t.runtime.host, Program: program})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := c.Plan.Encode(); err != nil {
			b.Fatal(err)
		}
	}
}
