// SPDX-License-Identifier: Apache-2.0

package seccomp

import (
	"fmt"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// A condition compares one argument of a call.
type condition struct {
	arg    uint32
	op     compare
	negate bool
	mask   uint64 // for compareMasked
	value  uint64
}

// A compare is an operator; the other three of the spec are these, negated.
type compare uint8

const (
	compareEqual compare = iota
	compareGreater
	compareGreaterEqual
	compareMasked
)

const maxArgs = 6

func newCondition(a specs.LinuxSeccompArg) (condition, error) {
	if a.Index >= maxArgs {
		return condition{}, fmt.Errorf("%w: argument index %d is over %d", ErrInvalid, a.Index, maxArgs-1)
	}
	c := condition{arg: uint32(a.Index), value: a.Value}
	switch a.Op {
	case specs.OpEqualTo:
	case specs.OpNotEqual:
		c.negate = true
	case specs.OpGreaterThan:
		c.op = compareGreater
	case specs.OpLessEqual:
		c.op, c.negate = compareGreater, true
	case specs.OpGreaterEqual:
		c.op = compareGreaterEqual
	case specs.OpLessThan:
		c.op, c.negate = compareGreaterEqual, true
	case specs.OpMaskedEqual:
		c.op, c.mask, c.value = compareMasked, a.Value, a.ValueTwo&a.Value
	default:
		return condition{}, fmt.Errorf("%w: operator %q", ErrInvalid, a.Op)
	}
	return c, nil
}

// emit writes the comparison. BPF has 32-bit words: the high half is compared first, then, where it does not
// decide, the low one.
func (c condition) emit(p *assembler, a abi, yes, no label) label {
	if c.negate {
		yes, no = no, yes
	}
	hi, lo := uint32(c.value>>32), uint32(c.value)
	low, high := argsOffset+8*c.arg, argsOffset+8*c.arg+4
	if a.big {
		low, high = high, low
	}
	switch c.op {
	case compareEqual:
		p.jump(unix.BPF_JEQ, lo, yes, no)
	case compareGreater:
		p.jump(unix.BPF_JGT, lo, yes, no)
	case compareGreaterEqual:
		p.jump(unix.BPF_JGE, lo, yes, no)
	case compareMasked:
		p.jump(unix.BPF_JEQ, lo, yes, no)
		p.and(uint32(c.mask))
	}
	at := p.load(low)
	if a.bits32 {
		return at
	}
	switch c.op {
	case compareEqual:
		p.jump(unix.BPF_JEQ, hi, at, no)
	case compareGreater, compareGreaterEqual:
		equal := p.jump(unix.BPF_JEQ, hi, at, no)
		p.jump(unix.BPF_JGT, hi, yes, equal)
	case compareMasked:
		if c.mask>>32 == 0 {
			return at
		}
		p.jump(unix.BPF_JEQ, hi, at, no)
		p.and(uint32(c.mask >> 32))
	}
	return p.load(high)
}
