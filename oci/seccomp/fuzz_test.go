// SPDX-License-Identifier: Apache-2.0

package seccomp

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// FuzzCompile takes the profile as kubelets and engines send it, as JSON. Whatever is accepted must be a sound program that
// means what the profile says.
func FuzzCompile(f *testing.F) {
	b, err := json.Marshal(mobyDefault(f, nil))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b, uint32(41), uint64(40))
	f.Add([]byte(`{"defaultAction":"SCMP_ACT_ERRNO","architectures":["SCMP_ARCH_X86","SCMP_ARCH_X32"],"syscalls":[
		{"names":["socket","read"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":1,"op":"SCMP_CMP_GE"},{"index":0,"value":3,"op":"SCMP_CMP_NE"}]},
		{"names":["personality"],"action":"SCMP_ACT_TRAP","args":[{"index":1,"value":240,"valueTwo":48,"op":"SCMP_CMP_MASKED_EQ"}]}]}`), uint32(135), uint64(0x35))
	m := machines["amd64"]
	f.Fuzz(func(t *testing.T, profile []byte, nr uint32, arg uint64) {
		var p specs.LinuxSeccomp
		if json.Unmarshal(profile, &p) != nil {
			return
		}
		prog, err := compile(&p, m)
		if err != nil {
			return
		}
		for _, s := range p.Syscalls {
			if s.Action == specs.ActNotify {
				return // compared with nothing: the reference has no listener
			}
		}
		reference, filter := newReference(&p, m), prog.filter(m)
		for _, arch := range []uint32{m.native.audit, m.foreign[0].audit} {
			for _, args := range [][maxArgs]uint64{{arg, arg, arg, arg, arg, arg}, {0, arg}, {arg, 0, 1}} {
				c := call{nr: nr, arch: arch, args: args}
				got, err := run(filter, c.bytes(m.order()), m.order())
				if err != nil {
					t.Fatal(err)
				}
				if want := reference.evaluate(c); got != want {
					t.Errorf("%+v: %#x, not %#x", c, got, want)
				}
			}
		}
	})
}

// FuzzRules explores the space of valid profiles.
func FuzzRules(f *testing.F) {
	for seed := range uint64(20) {
		f.Add(seed, uint32(seed*25), seed<<31)
	}
	f.Fuzz(func(t *testing.T, seed uint64, nr uint32, arg uint64) {
		for _, m := range machines {
			p := randomProfile(rand.New(rand.NewPCG(seed, 0)), m)
			prog, err := compile(p, m)
			if errors.Is(err, ErrTooLarge) {
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			filter := prog.filter(m)
			if err := validate(filter); err != nil {
				t.Fatal(err)
			}
			reference := newReference(p, m)
			for _, args := range [][maxArgs]uint64{{arg, arg, arg, arg, arg, arg}, {0, arg}, {arg, 0, 1}} {
				c := call{nr: nr % 600, arch: m.native.audit, args: args}
				got, err := run(filter, c.bytes(m.order()), m.order())
				if want := reference.evaluate(c); err != nil || got != want {
					t.Errorf("%+v: %#x, not %#x (%v)", c, got, want, err)
				}
			}
		}
	})
}
