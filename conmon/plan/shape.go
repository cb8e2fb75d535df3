// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"fmt"
	"strings"
)

// shape is which fields an operation takes, read from protocol.h: "fGst1" is register f, optionally register g, string s,
// and blob t of elements of one byte.
type shape struct {
	fd, fd2, out presence
	str          [3]presence
	elem         [3]int // 0: a string; -1: a vector; else the size of a blob's elements
}

// presence of a field in a step.
type presence int8

const (
	absent presence = iota
	optional
	required
)

func (o Op) shape() (shape, error) {
	if !o.known() {
		return shape{}, fmt.Errorf("operation %d: unknown", uint16(o))
	}
	return parseShape(ops[o].shape), nil
}

func parseShape(text string) shape {
	var s shape
	last := 0
	for _, c := range text {
		p := required
		if c >= 'A' && c <= 'Z' {
			p = optional
		}
		switch c | 0x20 {
		case 'f':
			s.fd = p
		case 'g':
			s.fd2 = p
		case 'o':
			s.out = p
		case 's', 't', 'u':
			last = int(c|0x20) - 's'
			s.str[last] = p
		}
		switch {
		case c >= '1' && c <= '9':
			s.elem[last] = int(c - '0')
		case c == 'v':
			s.elem[last] = -1
		}
	}
	return s
}

// blob returns which string of the operation is a blob, -1 for none.
func (s shape) blob() int {
	for i, e := range s.elem {
		if e > 0 {
			return i
		}
	}
	return -1
}

// check says what is wrong with the fields of a step.
func (s shape) check(st *Step) error {
	if err := checkReg("f", s.fd, st.FD); err != nil {
		return err
	}
	if err := checkReg("g", s.fd2, st.FD2); err != nil {
		return err
	}
	if err := checkReg("out", s.out, st.Out); err != nil {
		return err
	}
	for i, p := range s.str {
		given := st.Str[i] != "" || st.Has[i] || (s.elem[i] > 0 && st.Blob != nil)
		if err := checkString("stu"[i:i+1], p, given, s.elem[i]); err != nil {
			return err
		}
		if s.elem[i] <= 0 && strings.IndexByte(st.Str[i], 0) >= 0 {
			return fmt.Errorf("string %s: has a NUL byte: %w", "stu"[i:i+1], ErrShape)
		}
	}
	if st.Blob != nil && s.blob() < 0 {
		return fmt.Errorf("blob: not taken: %w", ErrShape)
	}
	if st.Op != OpExec && (st.Argv != nil || st.Env != nil) {
		return fmt.Errorf("arguments: not taken: %w", ErrShape)
	}
	return nil
}

func checkReg(name string, p presence, r Reg) error {
	switch {
	case r < NoReg || r >= NumRegs:
		return fmt.Errorf("register %s = %d: %w", name, r, ErrLimit)
	case p == required && r == NoReg:
		return fmt.Errorf("register %s: missing: %w", name, ErrShape)
	case p == absent && r != NoReg:
		return fmt.Errorf("register %s = %d: not taken: %w", name, r, ErrShape)
	}
	return nil
}

func checkString(name string, p presence, given bool, elem int) error {
	switch {
	case elem < 0 && given:
		return fmt.Errorf("string %s: goes into Argv or Env: %w", name, ErrShape)
	case elem < 0:
		return nil
	case p == required && !given:
		return fmt.Errorf("string %s: missing: %w", name, ErrShape)
	case p == absent && given:
		return fmt.Errorf("string %s: not taken: %w", name, ErrShape)
	}
	return nil
}
