// SPDX-License-Identifier: Apache-2.0

package header

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// file is what protocol.h holds, in its order.
type file struct {
	consts  []constant
	structs []structure
	steps   []step
}

type constant struct {
	name  string // as in C: CR_NREGS
	value uint64
}

type structure struct {
	name   string // cr_msg
	fields []field
}

type field struct {
	name, ctype string
	count       int // 0: no array
}

type step struct {
	name   string
	number int
	shape  string
	text   string
}

var (
	comments  = regexp.MustCompile(`(?s)/\*.*?\*/`)
	defines   = regexp.MustCompile(`(?m)^#define (CR_[A-Z0-9_]+) +\(?([0-9a-fx]+)u?( << [0-9]+)?\)?\s*$`)
	enums     = regexp.MustCompile(`(?s)enum cr_[a-z_]+ \{(.*?)\}`)
	structs   = regexp.MustCompile(`(?s)struct (cr_[a-z_]+) \{(.*?)\n\}`)
	stepLines = regexp.MustCompile(`(?s)X\(([A-Z0-9_]+), ([0-9]+), "([^"]*)", ((?:"(?:[^"\\]|\\.)*"(?:\s*\\\s*)?)+)\)`)
	array     = regexp.MustCompile(`^([a-z_]+)\[([0-9]+)\]$`)
)

// parse reads the text of protocol.h.
func parse(src []byte) (*file, error) {
	text := comments.ReplaceAllString(string(src), "")
	f := &file{}
	if err := f.parseSteps(text); err != nil {
		return nil, err
	}
	if err := f.parseDefines(text); err != nil {
		return nil, err
	}
	if err := f.parseEnums(text); err != nil {
		return nil, err
	}
	return f, f.parseStructs(text)
}

func (f *file) parseSteps(text string) error {
	seen := map[int]string{}
	for _, m := range stepLines.FindAllStringSubmatch(text, -1) {
		n, err := strconv.Atoi(m[2])
		if err != nil {
			return fmt.Errorf("step %s: %w", m[1], err)
		}
		if other, ok := seen[n]; ok {
			return fmt.Errorf("step %s: number %d is taken by %s", m[1], n, other)
		}
		seen[n] = m[1]
		f.steps = append(f.steps, step{name: m[1], number: n, shape: m[3], text: joinLiterals(m[4])})
	}
	if len(f.steps) == 0 {
		return fmt.Errorf("steps: none found")
	}
	return nil
}

// joinLiterals joins adjacent C string literals, which may be continued over lines, into the text they mean.
func joinLiterals(s string) string {
	var b strings.Builder
	for i, in := 0, false; i < len(s); i++ {
		switch {
		case in && s[i] == '\\':
			i++
			b.WriteByte(s[i])
		case s[i] == '"':
			in = !in
		case in:
			b.WriteByte(s[i])
		}
	}
	return b.String()
}

func (f *file) parseDefines(text string) error {
	for _, m := range defines.FindAllStringSubmatch(text, -1) {
		v, err := strconv.ParseUint(m[2], 0, 64)
		if err != nil {
			return fmt.Errorf("define %s: %w", m[1], err)
		}
		if m[3] != "" {
			shift, err := strconv.Atoi(strings.TrimPrefix(m[3], " << "))
			if err != nil {
				return fmt.Errorf("define %s: %w", m[1], err)
			}
			v <<= shift
		}
		f.consts = append(f.consts, constant{m[1], v})
	}
	return nil
}

func (f *file) parseEnums(text string) error {
	for _, m := range enums.FindAllStringSubmatch(text, -1) {
		if strings.Contains(m[1], "CR_STEPS") {
			continue
		}
		next := uint64(0)
		for _, item := range strings.Split(m[1], ",") {
			name, value, given := strings.Cut(strings.TrimSpace(item), "=")
			name = strings.TrimSpace(name)
			if name == "" {
				continue
			}
			if given {
				v, err := strconv.ParseUint(strings.TrimSpace(value), 0, 64)
				if err != nil {
					return fmt.Errorf("enum %s: %w", name, err)
				}
				next = v
			}
			f.consts = append(f.consts, constant{name, next})
			next++
		}
	}
	return nil
}

func (f *file) parseStructs(text string) error {
	for _, m := range structs.FindAllStringSubmatch(text, -1) {
		s := structure{name: m[1]}
		for _, decl := range strings.Split(m[2], ";") {
			ctype, names, ok := strings.Cut(strings.TrimSpace(decl), " ")
			if !ok {
				continue
			}
			for _, name := range strings.Split(names, ",") {
				fd := field{name: strings.TrimSpace(name), ctype: ctype}
				if a := array.FindStringSubmatch(fd.name); a != nil {
					fd.name = a[1]
					fd.count, _ = strconv.Atoi(a[2])
				}
				s.fields = append(s.fields, fd)
			}
		}
		f.structs = append(f.structs, s)
	}
	return nil
}
