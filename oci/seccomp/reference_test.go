// SPDX-License-Identifier: Apache-2.0

package seccomp

import (
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// A reference says what a profile means for a call, straight from the text in doc.go and without anything of the compiler but
// the table. It is slow and has no cleverness that could be wrong.
type reference struct {
	*specs.LinuxSeccomp
	machine
	multiplexer
	calls [][]*syscall // of each rule
}

func newReference(p *specs.LinuxSeccomp, m machine) reference {
	r := reference{LinuxSeccomp: p, machine: m, multiplexer: m.table.multiplexer()}
	for _, s := range p.Syscalls {
		var calls []*syscall
		for i := range m.table {
			if slices.Contains(s.Names, m.table[i].name) {
				calls = append(calls, &m.table[i])
			}
		}
		r.calls = append(r.calls, calls)
	}
	return r
}

func (p reference) evaluate(c call) action {
	byDefault := mustAction(p.DefaultAction, p.DefaultErrnoRet)
	a, ok := p.abi(c)
	if !ok {
		return actionKill
	}
	if a.audit == unix.AUDIT_ARCH_X86_64 && c.nr == noCall {
		return byDefault
	}
	// A rule without conditions beats those with.
	for _, conditional := range []bool{false, true} {
		for i, s := range p.Syscalls {
			act := mustAction(s.Action, s.ErrnoRet)
			if act != byDefault && p.matches(i, a, c, conditional) {
				return act
			}
		}
	}
	highest, ok := p.highest(a)
	if ok && c.nr > highest && !(a.name == specs.ArchARM && c.nr >= armPrivate) || ok && a.setup0 && c.nr == 0 {
		switch p.DefaultAction {
		case specs.ActAllow, specs.ActLog, specs.ActTrace:
		default:
			return actionNoSys
		}
	}
	return byDefault
}

// matches says whether the rule is for the call, directly or by socketcall and ipc, where every rule has a condition:
// on the first argument.
func (p reference) matches(rule int, a abi, c call, conditional bool) bool {
	s := p.Syscalls[rule]
	for _, sys := range p.calls[rule] {
		if nr := sys.nr[a.column]; nr >= 0 && uint32(nr) == c.nr && conditional == (len(s.Args) > 0) && argsMatch(s.Args, a, c) {
			return true
		}
		nr, first, ok := p.way(a, sys)
		if ok && conditional && nr == c.nr && uint32(c.args[0]) == uint32(first) && (a.bits32 || c.args[0]>>32 == 0) &&
			(len(s.Args) == 0 || !mustAction(s.Action, s.ErrnoRet).permits()) {
			return true
		}
	}
	return false
}

func (p reference) abi(c call) (abi, bool) {
	isX32 := c.arch == unix.AUDIT_ARCH_X86_64 && c.nr >= x32Bit && c.nr != noCall
	if c.arch == p.native.audit && !isX32 {
		return p.native, true
	}
	for _, a := range p.foreign {
		if a.audit != c.arch || isX32 != (a.name == specs.ArchX32) {
			continue
		}
		for _, wanted := range p.Architectures {
			if wanted == a.name {
				return a, true
			}
		}
	}
	return abi{}, false
}

func (p reference) highest(a abi) (highest uint32, ok bool) {
	for _, calls := range p.calls {
		for _, sys := range calls {
			if nr := sys.nr[a.column]; nr >= 0 && !(a.name == specs.ArchARM && nr >= armPrivate) {
				highest, ok = max(uint32(nr), highest), true
			}
		}
	}
	return highest, ok
}

func argsMatch(args []specs.LinuxSeccompArg, a abi, c call) bool {
	seen := map[uint]bool{}
	or := false
	for _, arg := range args {
		or = or || seen[arg.Index]
		seen[arg.Index] = true
	}
	for _, arg := range args {
		if argMatches(arg, a, c) == or {
			return or
		}
	}
	return !or
}

func argMatches(arg specs.LinuxSeccompArg, a abi, c call) bool {
	have, value, two := c.args[arg.Index], arg.Value, arg.ValueTwo
	if a.bits32 {
		const low = 1<<32 - 1
		have, value, two = have&low, value&low, two&low
	}
	switch arg.Op {
	case specs.OpEqualTo:
		return have == value
	case specs.OpNotEqual:
		return have != value
	case specs.OpLessThan:
		return have < value
	case specs.OpLessEqual:
		return have <= value
	case specs.OpGreaterThan:
		return have > value
	case specs.OpGreaterEqual:
		return have >= value
	case specs.OpMaskedEqual:
		return have&value == two&value
	}
	panic("operator " + string(arg.Op))
}

func mustAction(name specs.LinuxSeccompAction, errnoRet *uint) action {
	act, err := newAction(name, errnoRet)
	if err != nil {
		panic(err)
	}
	return act
}
