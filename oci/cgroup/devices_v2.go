// SPDX-License-Identifier: Apache-2.0

package cgroup

import (
	"errors"
	"fmt"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// An instruction is struct bpf_insn.
type instruction struct {
	code byte
	regs byte // source << 4 | destination
	off  int16
	imm  int32
}

// Registers and operations of the filter (include/uapi/linux/bpf.h).
const (
	regResult, regContext = 0, 1
	regKind, regAccess    = 2, 3
	regMajor, regMinor    = 4, 5

	opLoad   = unix.BPF_LDX | unix.BPF_MEM | unix.BPF_W
	opMov    = unix.BPF_ALU64 | unix.BPF_MOV | unix.BPF_K
	opMovReg = unix.BPF_ALU64 | unix.BPF_MOV | unix.BPF_X
	opAnd    = unix.BPF_ALU64 | unix.BPF_AND | unix.BPF_K
	opShift  = unix.BPF_ALU64 | unix.BPF_RSH | unix.BPF_K
	opJumpNE = unix.BPF_JMP | unix.BPF_JNE | unix.BPF_K
	opJumpEq = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
	opExit   = unix.BPF_JMP | unix.BPF_EXIT

	kindBlock, kindChar = 1, 2 // BPF_DEVCG_DEV_*
)

// deviceFilter writes the BPF_PROG_TYPE_CGROUP_DEVICE program of the rules. The kernel gives it a struct
// bpf_cgroup_dev_ctx {access_type, major, minor}, access_type being access << 16 | kind, and allows on 1.
// The rules are tried from the last to the first. One that denies a wanted access ends it; one that allows takes its part off
// regAccess, and ends it when nothing more is wanted:
//
//	for each rule:  not its device → next rule
//	     deny:      wanted & access → return 0
//	     allow:     wanted &^= access; none left → return 1
//	return 0
func deviceFilter(rules []deviceRule) []instruction {
	var p filterBuilder
	p.add(opLoad, regKind, regContext, 0)
	p.add(opMovReg, regAccess, regKind, 0)
	p.add(opAnd, regKind, 0, 0xffff)
	p.add(opShift, regAccess, 0, 16)
	p.add(opLoad, regMajor, regContext, 4)
	p.add(opLoad, regMinor, regContext, 8)
	for i := len(rules) - 1; i >= 0; i-- {
		r := rules[i]
		always := p.rule(r)
		if always { // the verifier refuses what cannot be reached
			return p.program
		}
	}
	p.ret(false)
	return p.program
}

type filterBuilder struct{ program []instruction }

// add puts an offset where the operation loads, an immediate elsewhere.
func (p *filterBuilder) add(code, dst, src byte, n int32) {
	i := instruction{code: code, regs: src<<4 | dst, imm: n}
	if code == opLoad {
		i.off, i.imm = int16(n), 0
	}
	p.program = append(p.program, i)
}

func (p *filterBuilder) ret(allow bool) {
	n := int32(0)
	if allow {
		n = 1
	}
	p.add(opMov, regResult, 0, n)
	p.add(opExit, 0, 0, 0)
}

// rule writes one rule, and says whether the program always ends in it.
func (p *filterBuilder) rule(r deviceRule) (always bool) {
	var toNext []int
	check := func(reg byte, n int32) {
		toNext = append(toNext, len(p.program))
		p.add(opJumpNE, reg, 0, n)
	}
	switch r.kind {
	case 'b':
		check(regKind, kindBlock)
	case 'c':
		check(regKind, kindChar)
	}
	if r.major != anyNumber {
		check(regMajor, int32(r.major))
	}
	if r.minor != anyNumber {
		check(regMinor, int32(r.minor))
	}
	switch {
	case r.access == accessAll:
		always = len(toNext) == 0
	case r.allow:
		p.add(opAnd, regAccess, 0, ^int32(r.access))
		check(regAccess, 0)
	default:
		p.add(opMovReg, regContext, regAccess, 0)
		p.add(opAnd, regContext, 0, int32(r.access))
		toNext = append(toNext, len(p.program))
		p.add(opJumpEq, regContext, 0, 0)
	}
	p.ret(r.allow)
	for _, at := range toNext {
		p.program[at].off = int16(len(p.program) - at - 1)
	}
	return always
}

// maxFilterRules keeps jumps within 16 bits and the program within the verifier's easy reach.
const maxFilterRules = 1024

// setDevicesV2 attaches the filter to the cgroup, in place of the one that is there.
func (c *Cgroup) setDevicesV2(rules []deviceRule) error {
	if len(rules) > maxFilterRules {
		return fmt.Errorf("%w: %d device rules, at most %d", ErrInvalid, len(rules), maxFilterRules)
	}
	err := c.m.filters.with(rules, func(prog int) error {
		dir, err := c.m.unified.open(c.path, unix.O_RDONLY|unix.O_DIRECTORY)
		if err != nil {
			return err
		}
		defer unix.Close(dir)
		return replaceFilter(dir, prog)
	})
	if errors.Is(err, unix.EPERM) && unprivileged() {
		return nil // nobody can make or open other devices there, and bpf(2) is not allowed
	}
	if err != nil {
		return fmt.Errorf("device filter: %w", err)
	}
	return nil
}

// replaceFilter attaches prog and detaches what was attached, so that there is no moment without a filter.
func replaceFilter(dir, prog int) error {
	old, err := attachedFilters(dir)
	if err != nil {
		return err
	}
	defer func() {
		for _, fd := range old {
			unix.Close(fd)
		}
	}()
	if len(old) == 1 {
		return attachFilter(dir, prog, old[0])
	}
	if err := attachFilter(dir, prog, 0); err != nil {
		return err
	}
	for _, fd := range old {
		if err := detachFilter(dir, fd); err != nil {
			return err
		}
	}
	return nil
}

// A filterCache keeps loaded programs: nearly all containers have the same rules, and loading costs the verifier and the JIT.
type filterCache struct {
	mu       sync.Mutex // guards programs
	programs map[string]*os.File
}

// maxFilters bounds the fds held.
const maxFilters = 16

// with calls f with the fd of the rules' program, which it may use until it returns.
func (fc *filterCache) with(rules []deviceRule, f func(prog int) error) error {
	fc.mu.Lock()
	defer fc.mu.Unlock()
	key := filterKey(rules)
	if prog, ok := fc.programs[key]; ok {
		return f(int(prog.Fd()))
	}
	fd, err := loadFilter(deviceFilter(rules))
	if err != nil {
		return err
	}
	if len(fc.programs) >= maxFilters || fc.programs == nil {
		err = fc.closeAll()
		fc.programs = map[string]*os.File{}
	}
	fc.programs[key] = os.NewFile(uintptr(fd), "device filter")
	return errors.Join(err, f(fd))
}

// filterKey differs for different rules.
func filterKey(rules []deviceRule) string {
	var b []byte
	for _, r := range rules {
		b = fmt.Appendf(b, "%c %d:%d %d %t\n", r.kind, r.major, r.minor, r.access, r.allow)
	}
	return string(b)
}

func (fc *filterCache) close() error {
	fc.mu.Lock()
	defer fc.mu.Unlock()
	return fc.closeAll()
}

func (fc *filterCache) closeAll() error {
	var errs []error
	for _, f := range fc.programs {
		errs = append(errs, f.Close())
	}
	fc.programs = nil
	return errors.Join(errs...)
}
