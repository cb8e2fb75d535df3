// SPDX-License-Identifier: Apache-2.0

package seccomp

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// programsOf is the digest of what Version compiles.
const programsOf = "1 78c44287e76788c8"

func TestVersionStandsForThePrograms(t *testing.T) {
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(machines)) {
		m := machines[name]
		for _, caps := range slices.Sorted(maps.Keys(capabilitySets)) {
			hashProgram(t, h, m, retarget(mobyDefault(t, capabilitySets[caps]), m))
		}
		for seed := range uint64(200) {
			hashProgram(t, h, m, randomProfile(rand.New(rand.NewPCG(seed, 1)), m))
		}
	}
	if got := fmt.Sprint(Version, " ", hex.EncodeToString(h.Sum(nil)[:8])); got != programsOf {
		t.Errorf("programs are %q now, and were %q: give Version the next number, and then programsOf this text", got, programsOf)
	}
}

// hashProgram takes in what a cache would keep.
func hashProgram(t *testing.T, h hash.Hash, m machine, p *specs.LinuxSeccomp) {
	t.Helper()
	prog, err := compile(p, m)
	if err != nil && !errors.Is(err, ErrTooLarge) {
		t.Fatal(err)
	}
	fmt.Fprintln(h, m.native.name, prog.Flags, len(prog.Bytes))
	h.Write(prog.Bytes)
}
