// SPDX-License-Identifier: Apache-2.0

package seccomp

import (
	"math"
	"slices"
)

// An outcome is what happens to a call: the action of the first rule whose conditions hold, otherwise the last action.
type outcome struct {
	rules     []rule
	otherwise action
}

// A span is an interval of syscall numbers with one outcome, from first up to the next span's first.
type span struct {
	first uint32
	outcome
}

// spans cuts all numbers from the ABI's first on into intervals, in order, without gaps.
//
//	x86_64:  0 … rules … highest name │ ENOSYS … 0x3fffffff │ 0x40000000 … x32's, or kill … │ 0xffffffff default
func (p *policy) spans(a abi) []span {
	c := cutter{policy: p, spans: make([]span, 0, 128), next: a.first}
	c.unknown, c.highest, c.private = p.byDefault, 0, math.MaxUint32
	if highest, ok := p.highest(a); ok && !p.byDefault.letsUnknownPass() {
		c.unknown, c.highest = actionNoSys, highest
	}
	if a.private != 0 {
		c.private = a.private
	}
	if a.setup0 {
		c.put(0, outcome{otherwise: c.unknown})
		c.next = 1
	}
	numbered, rules := p.numbered(a)
	for len(numbered) > 0 {
		nr := numbered[0].nr()
		n := 1
		for n < len(numbered) && numbered[n].nr() == nr {
			n++
		}
		c.fill(nr)
		c.put(nr, p.outcome(numbered[:n], rules))
		c.next = nr + 1
		numbered = numbered[n:]
	}
	c.fill(math.MaxUint32)
	return c.spans
}

// A numberedRule is a call's number and the index of a rule for it: sorted, they are by number, and then in the profile's order.
type numberedRule uint64

func (n numberedRule) nr() uint32 { return uint32(n >> 32) }

// numbered lists the ABI's numbers with their rules.
func (p *policy) numbered(a abi) ([]numberedRule, []rule) {
	list := make([]numberedRule, 0, len(p.known))
	rules := make([]rule, 0, 2*len(p.rules))
	add := func(nr uint32) { list = append(list, numberedRule(nr)<<32|numberedRule(len(rules)-1)) }
	multiplexer := p.table.multiplexer()
	for _, r := range p.rules {
		rules = append(rules, r.rule)
		for _, call := range r.calls {
			if nr, ok := a.number(call); ok {
				add(nr)
			}
		}
		if len(r.conditions) > 0 && r.action.permits() {
			continue
		}
		for _, call := range r.calls {
			if nr, arg, ok := multiplexer.way(a, call); ok {
				rules = append(rules, rule{[]condition{{value: uint64(arg)}}, r.action})
				add(nr)
			}
		}
	}
	slices.Sort(list)
	return list, rules
}

// outcome puts the rules for one number together. The first without conditions beats all.
func (p *policy) outcome(list []numberedRule, rules []rule) outcome {
	o := outcome{otherwise: p.byDefault}
	for _, n := range list {
		r := rules[uint32(n)]
		if len(r.conditions) == 0 {
			return outcome{otherwise: r.action}
		}
		o.rules = append(o.rules, r)
	}
	return o
}

// highest returns the highest number that the profile names on the ABI.
func (p *policy) highest(a abi) (highest uint32, ok bool) {
	for _, call := range p.known {
		if nr, has := a.number(call); has && (a.private == 0 || nr < a.private) {
			highest, ok = max(nr, highest), true
		}
	}
	return highest, ok
}

// A cutter collects spans from the lowest number up, merges neighbours, and fills the gaps.
type cutter struct {
	*policy
	spans   []span
	next    uint32 // the first number not yet in a span
	highest uint32 // the highest that the profile knows
	private uint32 // numbers from here on are neither known nor unknown
	unknown action // for numbers above highest
}

// fill puts the numbers for which there is no rule, from next to the one before end.
func (c *cutter) fill(end uint32) {
	if c.next < end && c.next <= c.highest {
		c.put(c.next, outcome{otherwise: c.byDefault})
	}
	if first := max(c.next, c.highest+1); first < min(end, c.private) {
		c.put(first, outcome{otherwise: c.unknown})
	}
	if first := max(c.next, c.private); first < end {
		c.put(first, outcome{otherwise: c.byDefault})
	}
}

func (c *cutter) put(first uint32, o outcome) {
	if n := len(c.spans); n > 0 {
		last := c.spans[n-1]
		if len(o.rules) == 0 && len(last.rules) == 0 && last.otherwise == o.otherwise {
			return
		}
	}
	c.spans = append(c.spans, span{first, o})
}
