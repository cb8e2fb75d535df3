// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"
)

// Decode reads the bytes of a plan. What it gives encodes again; notes are not in the bytes.
func Decode(b []byte) (*Plan, error) {
	var h wirePlan
	if err := binary.Read(bytes.NewReader(b), binary.NativeEndian, &h); err != nil {
		return nil, fmt.Errorf("header: %w", ErrMalformed)
	}
	switch {
	case h.Magic != planMagic || h.Version != protocolVersion:
		return nil, fmt.Errorf("magic %#x, version %d: %w", h.Magic, h.Version, ErrMalformed)
	case len(b) > maxPlan || int(h.Size) != len(b) || h.Nsteps > maxSteps || headerSize+stepSize*int(h.Nsteps) >= len(b):
		return nil, fmt.Errorf("%d bytes, %d steps: %w", len(b), h.Nsteps, ErrMalformed)
	case b[len(b)-1] != 0:
		return nil, fmt.Errorf("data: no NUL at the end: %w", ErrMalformed)
	case h.Nfds > MaxFiles:
		return nil, fmt.Errorf("%d files: %w", h.Nfds, ErrMalformed)
	}
	r := reader{data: b[headerSize+stepSize*int(h.Nsteps):]}
	p, err := r.plan(&h)
	if err != nil {
		return nil, err
	}
	for i := range int(h.Nsteps) {
		var w wireStep
		_ = binary.Read(bytes.NewReader(b[headerSize+stepSize*i:]), binary.NativeEndian, &w) // the length is checked
		s, err := r.step(&w)
		if err != nil {
			return nil, fmt.Errorf("step %d (%s): %w", i, Op(w.Op), err)
		}
		p.Steps = append(p.Steps, s)
	}
	return p, nil
}

// reader reads strings and blobs from the data area, which ends with a NUL.
type reader struct{ data []byte }

func (r reader) plan(h *wirePlan) (*Plan, error) {
	p := &Plan{
		CloneFlags: h.CloneFlags, CgroupFD: Reg(h.CgroupFd), JoinUser: Reg(h.JoinUser), JoinPID: Reg(h.JoinPid),
		NumFDs: int(h.Nfds), Barrier: h.Flags&planBarrier != 0,
	}
	for _, reg := range []int32{h.CgroupFd, h.JoinUser, h.JoinPid} {
		if reg < -1 || reg >= int32(h.Nfds) {
			return nil, fmt.Errorf("register %d: %w", reg, ErrMalformed)
		}
	}
	if h.Njoins > maxJoins || h.Njoins > h.Nfds || h.Join > h.Nfds-h.Njoins {
		return nil, fmt.Errorf("%d registers from %d on: %w", h.Njoins, h.Join, ErrMalformed)
	}
	for i := range h.Njoins {
		p.Joins = append(p.Joins, Reg(h.Join+i))
	}
	if h.Flags&planOomAdj != 0 {
		adj := int(h.OomAdj)
		p.OOMAdj = &adj
	}
	for at, s := range map[uint32]*string{h.UidMap: &p.UIDMap, h.GidMap: &p.GIDMap} {
		if at == 0 {
			continue
		}
		var err error
		if *s, err = r.str(at); err != nil {
			return nil, err
		}
	}
	if h.UidMap == h.GidMap { // stored once; the map above has but one of them
		p.UIDMap = max(p.UIDMap, p.GIDMap)
		p.GIDMap = p.UIDMap
	}
	return p, nil
}

func (r reader) step(w *wireStep) (Step, error) {
	s := Step{Op: Op(w.Op), Skip: int(w.Skip), FD: Reg(w.Fd[0]), FD2: Reg(w.Fd[1]), Out: Reg(w.Out), Arg: w.Arg}
	for _, e := range w.Ok {
		if e != 0 {
			s.OK = append(s.OK, unix.Errno(e))
		}
	}
	sh, err := s.Op.shape()
	if err != nil {
		return s, fmt.Errorf("%w: %w", err, ErrMalformed)
	}
	for i, at := range w.Str {
		switch {
		case at == 0 || sh.elem[i] < 0:
		case sh.elem[i] > 0:
			s.Blob, err = r.blob(at, uint64(w.Len)*uint64(sh.elem[i]))
		default:
			s.Str[i], err = r.str(at)
			s.Has[i] = s.Str[i] == ""
		}
		if err != nil {
			return s, err
		}
	}
	if s.Op == OpExec {
		err = r.vectors(&s, w)
	}
	return s, err
}

func (r reader) vectors(s *Step, w *wireStep) (err error) {
	if s.Argv, err = r.vector(w.Str[1], w.Arg[0]); err != nil {
		return err
	}
	s.Env, err = r.vector(w.Str[2], uint64(w.Len))
	return err
}

func (r reader) str(at uint32) (string, error) {
	if int64(at) >= int64(len(r.data)) {
		return "", fmt.Errorf("string at %d: %w", at, ErrMalformed)
	}
	s := r.data[at:]
	return string(s[:bytes.IndexByte(s, 0)]), nil
}

func (r reader) blob(at uint32, n uint64) ([]byte, error) {
	if uint64(at)+n > uint64(len(r.data)) {
		return nil, fmt.Errorf("blob of %d bytes at %d: %w", n, at, ErrMalformed)
	}
	return bytes.Clone(r.data[at : uint64(at)+n]), nil
}

func (r reader) vector(at uint32, n uint64) ([]string, error) {
	if n > maxVector {
		return nil, fmt.Errorf("vector of %d: %w", n, ErrMalformed)
	}
	var out []string
	for range n {
		s, err := r.str(at)
		if err != nil || at == 0 {
			return nil, fmt.Errorf("vector of %d at %d: %w", n, at, ErrMalformed)
		}
		out = append(out, s)
		at += uint32(len(s)) + 1
	}
	return out, nil
}
