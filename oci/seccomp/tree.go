// SPDX-License-Identifier: Apache-2.0

package seccomp

import (
	"math"
	"slices"

	"golang.org/x/sys/unix"
)

// noCall is the number that a tracer sets to skip a call. It belongs to no ABI.
const noCall = math.MaxUint32

// join puts x32 behind x86_64, whose seccomp_data.arch it shares.
func (p *policy) join(x8664, upper []span) []span {
	if upper == nil {
		upper = []span{{x32Bit, outcome{otherwise: actionKill}}}
	}
	s := append(x8664, upper...)
	if last := s[len(s)-1]; len(last.rules) > 0 || last.otherwise != p.byDefault {
		s = append(s, span{noCall, outcome{otherwise: p.byDefault}})
	}
	return s
}

// emitTree writes a balanced tree of comparisons that finds the number's span.
func emitTree(p *assembler, a abi, s []span) label {
	if len(s) == 1 {
		return s[0].emit(p, a)
	}
	mid := len(s) / 2
	right := emitTree(p, a, s[mid:])
	left := emitTree(p, a, s[:mid])
	return p.jump(unix.BPF_JGE, s[mid].first, right, left)
}

// emit writes the rules in their order and the return behind them. Each goes to the next when a condition does not hold.
func (s span) emit(p *assembler, a abi) label {
	if s.first >= x32Bit && a.audit == unix.AUDIT_ARCH_X86_64 {
		a.bits32 = true
	}
	at := p.ret(s.otherwise)
	for _, r := range slices.Backward(s.rules) {
		next := at
		at = p.ret(r.action)
		for _, c := range slices.Backward(r.conditions) {
			at = c.emit(p, a, at, next)
		}
	}
	return at
}
