// SPDX-License-Identifier: Apache-2.0

package seccomp

import (
	"fmt"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// A rule is what a profile says about some calls: the action when all conditions hold.
type rule struct {
	conditions []condition
	action     action
}

// A policy is a profile, checked and translated, for all ABIs.
type policy struct {
	byDefault action
	rules     []named
	abis      []abi
	table     table
	known     []*syscall // all that the profile names, also in rules that change nothing
	notify    bool
	listener  *Listener // nil: none is wanted
}

// A named rule has the calls that it is for.
type named struct {
	rule
	calls []*syscall
}

func newPolicy(profile *specs.LinuxSeccomp, m machine) (*policy, error) {
	byDefault, err := newAction(profile.DefaultAction, profile.DefaultErrnoRet)
	if err != nil {
		return nil, fmt.Errorf("defaultAction: %w", err)
	}
	if profile.DefaultAction == specs.ActNotify {
		return nil, fmt.Errorf("%w: defaultAction %s would block the container's own start", ErrInvalid, specs.ActNotify)
	}
	p := &policy{
		byDefault: byDefault, table: m.table,
		known: make([]*syscall, 0, len(m.table)), rules: make([]named, 0, len(profile.Syscalls)),
	}
	if p.abis, err = abisOf(profile.Architectures, m); err != nil {
		return nil, err
	}
	for i := range profile.Syscalls {
		if err := p.add(&profile.Syscalls[i]); err != nil {
			return nil, fmt.Errorf("syscalls[%d]: %w", i, err)
		}
	}
	if !p.notify {
		return p, nil
	}
	return p, p.listen(profile)
}

func abisOf(architectures []specs.Arch, m machine) ([]abi, error) {
	abis := []abi{m.native}
	for _, a := range architectures {
		if !KnownArchitecture(a) {
			return nil, fmt.Errorf("%w: architecture %q", ErrInvalid, a)
		}
	}
	for _, a := range m.foreign {
		if slices.Contains(architectures, a.name) {
			abis = append(abis, a)
		}
	}
	return abis, nil
}

func (p *policy) add(s *specs.LinuxSyscall) error {
	act, err := newAction(s.Action, s.ErrnoRet)
	if err != nil {
		return err
	}
	calls, err := p.resolve(s)
	if err != nil {
		return err
	}
	conditions, alternatives, err := newConditions(s.Args)
	if err != nil {
		return err
	}
	if act == p.byDefault {
		return nil
	}
	if !alternatives {
		p.rules = append(p.rules, named{rule{conditions, act}, calls})
		return nil
	}
	for i := range conditions {
		p.rules = append(p.rules, named{rule{conditions[i : i+1], act}, calls})
	}
	return nil
}

// resolve looks up the rule's names. Those that no architecture has are skipped.
func (p *policy) resolve(s *specs.LinuxSyscall) ([]*syscall, error) {
	first := len(p.known)
	for _, name := range s.Names {
		if s.Action == specs.ActNotify && name == "write" { // as runc has it
			return nil, fmt.Errorf("%w: %s of %s would block the container's own start", ErrInvalid, s.Action, name)
		}
		if call := p.table.lookup(name); call != nil {
			p.known = append(p.known, call)
		}
	}
	p.notify = p.notify || s.Action == specs.ActNotify
	return p.known[first:len(p.known):len(p.known)], nil
}

// newConditions also says whether the conditions are alternatives.
func newConditions(args []specs.LinuxSeccompArg) (conditions []condition, alternatives bool, err error) {
	var used [maxArgs]bool
	for _, arg := range args {
		c, err := newCondition(arg)
		if err != nil {
			return nil, false, err
		}
		alternatives = alternatives || used[c.arg]
		used[c.arg] = true
		conditions = append(conditions, c)
	}
	return conditions, alternatives, nil
}
