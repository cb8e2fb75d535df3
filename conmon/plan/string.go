// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// String returns the readable form of the plan: a line for the whole, then what the steps are for, and below it one line for each.
//
//	plan: 3 files, clone NEWNS|NEWPID, barrier
//	make / a slave
//	  0 MOUNT on="/" flags=REC|SLAVE
//	open proc
//	  1 OPENAT2 "proc" at=r0 flags=PATH resolve=BENEATH -> r4; on ENOENT go to 3
//	  2 CLOSE r4
//	start
//	  3 EXEC "sh" argv=["sh" "-c" "true"] env=["PATH=/bin"]
func (p *Plan) String() string {
	var b strings.Builder
	p.writeHead(&b)
	note := ""
	for i := range p.Steps {
		s := &p.Steps[i]
		if s.Note != note && (note == "" || !strings.HasPrefix(s.Note, note+": ")) { // a detail, which the step tells
			b.WriteString(s.Note + "\n")
			note = s.Note
		}
		fmt.Fprintf(&b, "  %d ", i)
		s.write(&b)
		s.writeTolerance(&b, fmt.Sprintf("go to %d", i+1+s.Skip))
		b.WriteByte('\n')
	}
	return b.String()
}

func (p *Plan) writeHead(b *strings.Builder) {
	fmt.Fprintf(b, "plan: %d files", p.NumFDs)
	if p.CloneFlags != 0 {
		fmt.Fprintf(b, ", clone %s", Namespaces(p.CloneFlags))
	}
	for _, r := range []struct {
		name string
		reg  Reg
	}{{"cgroup", p.CgroupFD}, {"join user", p.JoinUser}, {"join pid", p.JoinPID}} {
		if r.reg != NoReg {
			fmt.Fprintf(b, ", %s r%d", r.name, r.reg)
		}
	}
	for _, r := range p.Joins {
		fmt.Fprintf(b, ", join r%d", r)
	}
	if p.UIDMap != "" || p.GIDMap != "" {
		fmt.Fprintf(b, ", uid map %q, gid map %q", p.UIDMap, p.GIDMap)
	}
	if p.OOMAdj != nil {
		fmt.Fprintf(b, ", oom_score_adj %d", *p.OOMAdj)
	}
	if p.Barrier {
		b.WriteString(", barrier")
	}
	b.WriteByte('\n')
}

// String returns the readable form of one step.
func (s *Step) String() string {
	var b strings.Builder
	s.write(&b)
	s.writeTolerance(&b, fmt.Sprintf("skip %d", s.Skip))
	if s.Note != "" {
		fmt.Fprintf(&b, " ; %s", s.Note)
	}
	return b.String()
}

// write tells the operation and its fields: what it is about, where, the numbers, the result.
func (s *Step) write(b *strings.Builder) {
	w := vocabulary()[s.Op]
	b.WriteString(s.Op.String())
	if s.FD != NoReg && w.f == "" {
		fmt.Fprintf(b, " r%d", s.FD)
	}
	for i, label := range []string{w.s, w.t, w.u} {
		if s.Str[i] != "" || s.Has[i] {
			word(b, label, fmt.Sprintf("%q", s.Str[i]))
		}
	}
	if s.FD != NoReg && w.f != "" {
		fmt.Fprintf(b, " %s=r%d", w.f, s.FD)
	}
	if s.FD2 != NoReg {
		word(b, w.g, fmt.Sprintf("r%d", s.FD2))
	}
	if s.Op == OpExec {
		fmt.Fprintf(b, " argv=%q env=%q", s.Argv, s.Env)
	}
	s.writeBlob(b, w)
	s.writeArgs(b, w)
	if s.Out != NoReg {
		fmt.Fprintf(b, " -> r%d", s.Out)
	}
}

// word appends a value with its label; the label "=" makes it the value of what stands before.
func word(b *strings.Builder, label, value string) {
	switch label {
	case "":
		b.WriteString(" " + value)
	case "=":
		b.WriteString("=" + value)
	default:
		b.WriteString(" " + label + "=" + value)
	}
}

func (s *Step) writeBlob(b *strings.Builder, w words) {
	switch {
	case s.Blob == nil && s.Op != OpSetgroups: // no group is one of its values
	case w.blob == nil:
		fmt.Fprintf(b, " %d bytes", len(s.Blob))
	default:
		word(b, w.t, w.blob(s.Blob))
	}
}

func (s *Step) writeArgs(b *strings.Builder, w words) {
	for i, v := range s.Arg {
		a := w.args[i]
		switch {
		case s.Op == OpExec && i == 0: // the number of arguments
		case v == 0 && !a.always:
		case a.text == nil:
			word(b, string('a'+rune(i)), number(v))
		default:
			if text := a.text(v); text != "" {
				word(b, a.label, text)
			}
		}
	}
}

// writeTolerance tells which failures are none, and what happens then.
func (s *Step) writeTolerance(b *strings.Builder, skip string) {
	if len(s.OK) == 0 {
		return
	}
	b.WriteString("; ")
	if s.Skip != 0 {
		b.WriteString("on ")
	}
	for i, e := range s.OK {
		if i > 0 {
			b.WriteByte('|')
		}
		b.WriteString(unix.ErrnoName(e))
	}
	if s.Skip != 0 {
		b.WriteString(" " + skip)
	} else {
		b.WriteString(" is fine")
	}
}

// number prints small numbers in decimal, -1 as such (an unchanged uid or gid), others in hexadecimal.
func number(a uint64) string {
	switch {
	case a < 10:
		return fmt.Sprint(a)
	case a == ^uint64(0) || a == 1<<32-1:
		return "-1"
	}
	return fmt.Sprintf("%#x", a)
}
