// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"encoding/binary"

	"crisp/conmon/plan"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// memoryMode is a mode of set_mempolicy(2), and whether it has nodes: "none", "some", or "" where both may be.
type memoryMode struct {
	number uint64
	nodes  string
}

var memoryModes = table[specs.MemoryPolicyModeType, memoryMode]{
	{specs.MpolDefault, memoryMode{unix.MPOL_DEFAULT, "none"}},
	{specs.MpolLocal, memoryMode{unix.MPOL_LOCAL, "none"}},
	{specs.MpolPreferred, memoryMode{unix.MPOL_PREFERRED, ""}},
	{specs.MpolBind, memoryMode{unix.MPOL_BIND, "some"}},
	{specs.MpolInterleave, memoryMode{unix.MPOL_INTERLEAVE, "some"}},
	{specs.MpolWeightedInterleave, memoryMode{unix.MPOL_WEIGHTED_INTERLEAVE, "some"}},
	{specs.MpolPreferredMany, memoryMode{unix.MPOL_PREFERRED_MANY, "some"}},
}

var memoryFlags = table[specs.MemoryPolicyFlagType, uint64]{
	{specs.MpolFNumaBalancing, unix.MPOL_F_NUMA_BALANCING}, {specs.MpolFRelativeNodes, unix.MPOL_F_RELATIVE_NODES},
	{specs.MpolFStaticNodes, unix.MPOL_F_STATIC_NODES},
}

// setMemoryPolicy is for what the process allocates from here on; it survives the exec, and its children have it too.
func (a *assembly) setMemoryPolicy() {
	p := a.spec.Linux.MemoryPolicy
	if p == nil {
		return
	}
	mode := memoryModes.get(p.Mode).number
	for _, f := range p.Flags {
		mode |= memoryFlags.get(f)
	}
	a.about("set the memory policy %s", p.Mode)
	a.step(plan.OpSetMempolicy, mode).Blob = nodeMask(p.Nodes)
}

// nodeMask turns a list of nodes that Validate has read before into the words of set_mempolicy(2).
func nodeMask(list string) []byte {
	if list == "" {
		return nil
	}
	bytes, _ := cpuMask(list)
	var words []byte
	for ; len(bytes) > 0; bytes = bytes[8:] {
		words = binary.NativeEndian.AppendUint64(words, binary.LittleEndian.Uint64(bytes))
	}
	return words
}
