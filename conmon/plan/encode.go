// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"fmt"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	headerSize = 128
	stepSize   = 64
	maxJoins   = 8
	namespaces = unix.CLONE_NEWNS | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC | unix.CLONE_NEWUSER | unix.CLONE_NEWPID |
		unix.CLONE_NEWNET | unix.CLONE_NEWCGROUP | unix.CLONE_NEWTIME
)

// data collects the strings and blobs behind the steps. Equal strings are stored once.
type data struct {
	plan  []byte // all of it: header, steps, data
	begin int    // of the data
	seen  map[string]uint32
}

// newData leaves room for the header and the steps.
func newData(steps int) *data {
	begin := headerSize + stepSize*steps
	d := &data{plan: make([]byte, begin, begin+8<<10), begin: begin, seen: make(map[string]uint32, 128)}
	d.plan = append(d.plan, 0) // offset 0 means NULL
	return d
}

// put stores s with a NUL behind it and returns its offset.
func (d *data) put(s string) uint32 {
	if at, ok := d.seen[s]; ok {
		return at
	}
	at := uint32(len(d.plan) - d.begin)
	d.plan = append(append(d.plan, s...), 0)
	d.seen[s] = at
	return at
}

// Encode validates the plan and gives its bytes.
func (p *Plan) Encode() ([]byte, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	d := newData(len(p.Steps))
	for i := range p.Steps {
		w, err := p.Steps[i].encode(d)
		if err != nil {
			return nil, fmt.Errorf("step %d (%s: %s): %w", i, p.Steps[i].Op, p.Steps[i].Note, err)
		}
		if i+1+int(w.Skip) >= len(p.Steps)+b2i(w.Skip == 0) {
			return nil, fmt.Errorf("step %d: skips %d steps of %d: %w", i, w.Skip, len(p.Steps), ErrLimit)
		}
		copy(d.plan[headerSize+i*stepSize:], (*[stepSize]byte)(unsafe.Pointer(&w))[:]) // as C lays it out: no padding, and no pointers
	}
	h := p.header(d)
	if len(d.plan) > maxPlan {
		return nil, fmt.Errorf("plan of %d bytes: %w", len(d.plan), ErrLimit)
	}
	h.Size = uint32(len(d.plan))
	copy(d.plan, (*[headerSize]byte)(unsafe.Pointer(&h))[:])
	return d.plan, nil
}

func (p *Plan) header(d *data) wirePlan {
	h := wirePlan{
		Magic: planMagic, Version: protocolVersion, Nsteps: uint32(len(p.Steps)), Nfds: uint32(p.NumFDs),
		CgroupFd: int32(p.CgroupFD), JoinUser: int32(p.JoinUser), JoinPid: int32(p.JoinPID), CloneFlags: p.CloneFlags,
	}
	if len(p.Joins) > 0 {
		h.Join, h.Njoins = uint32(p.Joins[0]), uint32(len(p.Joins))
	}
	if p.UIDMap != "" {
		h.UidMap = d.put(p.UIDMap)
	}
	if p.GIDMap != "" {
		h.GidMap = d.put(p.GIDMap)
	}
	if p.Barrier {
		h.Flags |= planBarrier
	}
	if p.OOMAdj != nil {
		h.Flags |= planOomAdj
		h.OomAdj = int32(*p.OOMAdj)
	}
	return h
}

// check validates what is not in a single step.
func (p *Plan) check() error {
	switch {
	case len(p.Steps) == 0 || p.Steps[len(p.Steps)-1].Op != OpExec:
		return fmt.Errorf("last step: is not EXEC: %w", ErrShape)
	case len(p.Steps) > maxSteps:
		return fmt.Errorf("%d steps: %w", len(p.Steps), ErrLimit)
	case p.NumFDs < 0 || p.NumFDs > MaxFiles:
		return fmt.Errorf("%d files: %w", p.NumFDs, ErrLimit)
	case p.CloneFlags&^namespaces != 0:
		return fmt.Errorf("clone flags %#x: %w", p.CloneFlags&^namespaces, ErrShape)
	case p.OOMAdj != nil && (*p.OOMAdj < -1000 || *p.OOMAdj > 1000):
		return fmt.Errorf("oom_score_adj %d: %w", *p.OOMAdj, ErrLimit)
	case strings.IndexByte(p.UIDMap+p.GIDMap, 0) >= 0:
		return fmt.Errorf("id map: has a NUL byte: %w", ErrShape)
	}
	for _, k := range [...]struct {
		name string
		reg  Reg
	}{{"cgroup", p.CgroupFD}, {"user namespace", p.JoinUser}, {"PID namespace", p.JoinPID}} {
		if k.reg < NoReg || int(k.reg) >= p.NumFDs {
			return fmt.Errorf("register %d of the %s: not one of %d files: %w", k.reg, k.name, p.NumFDs, ErrLimit)
		}
	}
	for i, r := range p.Joins {
		if r < 0 || int(r) >= p.NumFDs || r != p.Joins[0]+Reg(i) || i >= maxJoins {
			return fmt.Errorf("register %d of a namespace: not in a row of %d files: %w", r, p.NumFDs, ErrLimit)
		}
	}
	return p.checkOrder()
}

// checkOrder validates that EXEC is only last and that Barrier tells the truth.
func (p *Plan) checkOrder() error {
	barriers := 0
	for i := range p.Steps {
		if p.Steps[i].Op == OpExec && i != len(p.Steps)-1 {
			return fmt.Errorf("step %d: EXEC before the end: %w", i, ErrShape)
		}
		if p.Steps[i].Op == OpBarrier {
			barriers++
		}
	}
	if barriers > 1 || (barriers == 1) != p.Barrier {
		return fmt.Errorf("%d BARRIER steps, Barrier is %v: %w", barriers, p.Barrier, ErrShape)
	}
	return nil
}

func (s *Step) encode(d *data) (wireStep, error) {
	sh, err := s.Op.shape()
	if err == nil {
		err = sh.check(s)
	}
	if err != nil {
		return wireStep{}, err
	}
	w := wireStep{
		Op: uint16(s.Op), Skip: uint16(s.Skip), Fd: [2]int16{int16(s.FD), int16(s.FD2)}, Out: int16(s.Out), Arg: s.Arg,
	}
	if s.Skip < 0 || s.Skip > maxSteps {
		return w, fmt.Errorf("skip of %d: %w", s.Skip, ErrLimit)
	}
	if len(s.OK) > len(w.Ok) {
		return w, fmt.Errorf("%d tolerated errnos: %w", len(s.OK), ErrLimit)
	}
	for i, e := range s.OK {
		w.Ok[i] = uint16(e)
	}
	for i := range s.Str {
		if sh.elem[i] == 0 && (s.Str[i] != "" || s.Has[i]) {
			w.Str[i] = d.put(s.Str[i])
		}
	}
	if s.Op == OpExec {
		return w, s.encodeVectors(&w, d)
	}
	return w, s.encodeBlob(&w, sh, d)
}

func (s *Step) encodeBlob(w *wireStep, sh shape, d *data) error {
	i := sh.blob()
	if i < 0 {
		return nil
	}
	b := string(s.Blob)
	if s.Blob == nil {
		b = s.Str[i]
	}
	if b == "" && !s.Has[i] && s.Blob == nil {
		return nil // optional and absent
	}
	if len(b)%sh.elem[i] != 0 {
		return fmt.Errorf("blob of %d bytes: not a multiple of %d: %w", len(b), sh.elem[i], ErrShape)
	}
	w.Len = uint32(len(b) / sh.elem[i])
	w.Str[i] = d.put(b)
	return nil
}

func (s *Step) encodeVectors(w *wireStep, d *data) error {
	if len(s.Argv) == 0 || len(s.Argv) > maxVector || len(s.Env) > maxVector {
		return fmt.Errorf("%d arguments, %d variables: %w", len(s.Argv), len(s.Env), ErrLimit)
	}
	for i, v := range [][]string{s.Argv, s.Env} {
		joined := strings.Join(v, "\x00")
		if strings.Count(joined, "\x00") != max(len(v)-1, 0) {
			return fmt.Errorf("string %s: has a NUL byte: %w", "tu"[i:i+1], ErrShape)
		}
		if len(v) > 0 {
			w.Str[i+1] = d.put(joined)
		}
	}
	w.Arg[0] = uint64(len(s.Argv))
	w.Len = uint32(len(s.Env))
	return nil
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}
