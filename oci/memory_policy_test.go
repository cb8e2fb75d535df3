// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"encoding/binary"
	"os"
	"strings"
	"testing"

	"crisp/conmon/plan"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// stepOf returns the only step of a kind.
func stepOf(t *testing.T, p *plan.Plan, op plan.Op) plan.Step {
	t.Helper()
	var found []plan.Step
	for _, s := range p.Steps {
		if s.Op == op {
			found = append(found, s)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d steps %s", len(found), op)
	}
	return found[0]
}

func TestMemoryPolicyIsCompiled(t *testing.T) {
	for _, c := range []struct {
		policy specs.LinuxMemoryPolicy
		mode   uint64
		words  []uint64
	}{
		{specs.LinuxMemoryPolicy{Mode: specs.MpolDefault}, 0, nil},
		{specs.LinuxMemoryPolicy{Mode: specs.MpolLocal}, 4, nil},
		{specs.LinuxMemoryPolicy{Mode: specs.MpolPreferred}, 1, nil},
		{specs.LinuxMemoryPolicy{Mode: specs.MpolInterleave, Nodes: "0-3,7"}, 3, []uint64{0x8f}},
		{specs.LinuxMemoryPolicy{Mode: specs.MpolWeightedInterleave, Nodes: "63,64,1023"}, 6, []uint64{1 << 63, 1, 0, 15: 1 << 63}},
		{
			specs.LinuxMemoryPolicy{Mode: specs.MpolBind, Nodes: "1", Flags: []specs.MemoryPolicyFlagType{specs.MpolFStaticNodes, specs.MpolFNumaBalancing}},
			2 | 1<<15 | 1<<13, []uint64{2},
		},
		{
			specs.LinuxMemoryPolicy{Mode: specs.MpolPreferredMany, Nodes: "1", Flags: []specs.MemoryPolicyFlagType{specs.MpolFRelativeNodes}},
			5 | 1<<14, []uint64{2},
		},
	} {
		s := readSpec(t, "kubernetes")
		s.Linux.MemoryPolicy = &c.policy
		compiled, err := Compile(s, CompileOptions{ID: "c1", Host: hostV2()})
		if err != nil {
			t.Fatal(err)
		}
		step := stepOf(t, compiled.Plan, plan.OpSetMempolicy)
		var want []byte
		for _, w := range c.words {
			want = binary.NativeEndian.AppendUint64(want, w)
		}
		if step.Arg[0] != c.mode || string(step.Blob) != string(want) {
			t.Errorf("%+v: %#x %x", c.policy, step.Arg[0], step.Blob)
		}
	}
}

// The kernel tells in numa_maps what the policy of the whole process is, for whatever has none of its own.
func TestMemoryPolicyIsSeenInside(t *testing.T) {
	if _, err := os.Stat("/proc/self/numa_maps"); err != nil {
		t.Skip("a kernel without NUMA: ", err)
	}
	b := newBench(t)
	const maps = "/proc/self/numa_maps"
	for _, c := range []struct {
		policy specs.LinuxMemoryPolicy
		want   string
	}{
		{specs.LinuxMemoryPolicy{Mode: specs.MpolInterleave, Nodes: "0"}, "interleave:0"},
		{specs.LinuxMemoryPolicy{Mode: specs.MpolBind, Nodes: "0", Flags: []specs.MemoryPolicyFlagType{specs.MpolFStaticNodes}}, "bind=static:0"},
		{specs.LinuxMemoryPolicy{Mode: specs.MpolDefault}, "default"},
	} {
		s := b.spec("facts", maps)
		s.Linux.MemoryPolicy = &c.policy
		content := b.create(s).facts().Paths[maps].Content
		if fields := strings.Fields(content); len(fields) < 2 || fields[1] != c.want {
			t.Errorf("%+v: %.60q", c.policy, content)
		}
	}
	s := b.spec("wait")
	s.Linux.MemoryPolicy = &specs.LinuxMemoryPolicy{Mode: specs.MpolPreferred, Nodes: "0", Flags: []specs.MemoryPolicyFlagType{specs.MpolFRelativeNodes}}
	k := b.running(s)
	out, x := k.exec(s.Process, "facts", maps)
	if x.Code != 0 {
		t.Fatalf("exit %+v: %s", x, out)
	}
	if content := readFacts(t, out).Paths[maps].Content; !strings.Contains(content, " prefer=relative:0 ") {
		t.Errorf("exec: %.60q", content)
	}
	s = b.spec("wait")
	s.Linux.MemoryPolicy = &specs.LinuxMemoryPolicy{Mode: specs.MpolBind, Nodes: "1023"}
	if _, err := b.tryCreate(s); err == nil || !strings.HasPrefix(err.Error(), "set the memory policy MPOL_BIND: ") {
		t.Errorf("a node that is not there: %v", err)
	}
}
