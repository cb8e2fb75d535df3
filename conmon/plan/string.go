// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// String returns the readable form of the plan: one line for the whole, one for each step.
//
//	plan: 3 files, clone NEWNS|NEWPID, barrier
//	 0 MOUNT s="none" t="/" a=0x84000 ; make / a slave
//	 1 OPENAT2 f=r0 s="proc" a=0x200000 -> r4 ; open proc
//	 2 EXEC argv=["sh" "-c" "true"] env=["PATH=/bin"] s="sh" ; start
func (p *Plan) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "plan: %d files", p.NumFDs)
	if p.CloneFlags != 0 {
		fmt.Fprintf(&b, ", clone %s", namespaceNames(p.CloneFlags))
	}
	for _, r := range []struct {
		name string
		reg  Reg
	}{{"cgroup", p.CgroupFD}, {"join user", p.JoinUser}, {"join pid", p.JoinPID}} {
		if r.reg != NoReg {
			fmt.Fprintf(&b, ", %s r%d", r.name, r.reg)
		}
	}
	if p.UIDMap != "" || p.GIDMap != "" {
		fmt.Fprintf(&b, ", uid map %q, gid map %q", p.UIDMap, p.GIDMap)
	}
	if p.OOMAdj != nil {
		fmt.Fprintf(&b, ", oom_score_adj %d", *p.OOMAdj)
	}
	if p.Barrier {
		b.WriteString(", barrier")
	}
	b.WriteByte('\n')
	for i := range p.Steps {
		fmt.Fprintf(&b, "%2d %s\n", i, &p.Steps[i])
	}
	return b.String()
}

// String returns the readable form of one step.
func (s *Step) String() string {
	var b strings.Builder
	b.WriteString(s.Op.String())
	s.writeFields(&b)
	for i, a := range s.Arg {
		if a != 0 && (s.Op != OpExec || i != 0) {
			fmt.Fprintf(&b, " %c=%s", 'a'+rune(i), number(a))
		}
	}
	if s.Out != NoReg {
		fmt.Fprintf(&b, " -> r%d", s.Out)
	}
	if len(s.OK) > 0 {
		b.WriteString(" ok=")
		for i, e := range s.OK {
			if i > 0 {
				b.WriteByte('|')
			}
			b.WriteString(unix.ErrnoName(e))
		}
	}
	if s.Skip != 0 {
		fmt.Fprintf(&b, " skip=%d", s.Skip)
	}
	if s.Note != "" {
		fmt.Fprintf(&b, " ; %s", s.Note)
	}
	return b.String()
}

func (s *Step) writeFields(b *strings.Builder) {
	if s.FD != NoReg {
		fmt.Fprintf(b, " f=r%d", s.FD)
	}
	if s.FD2 != NoReg {
		fmt.Fprintf(b, " g=r%d", s.FD2)
	}
	if s.Op == OpExec {
		fmt.Fprintf(b, " argv=%q env=%q", s.Argv, s.Env)
	}
	for i, str := range s.Str {
		if str != "" || s.Has[i] {
			fmt.Fprintf(b, " %c=%q", "stu"[i], str)
		}
	}
	switch {
	case s.Blob == nil:
	case s.Op == OpWrite:
		fmt.Fprintf(b, " t=%q", s.Blob)
	default:
		fmt.Fprintf(b, " blob=%d bytes", len(s.Blob))
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

func namespaceNames(flags uint64) string {
	var names []string
	for _, n := range []struct {
		flag uint64
		name string
	}{
		{unix.CLONE_NEWUSER, "NEWUSER"}, {unix.CLONE_NEWNS, "NEWNS"}, {unix.CLONE_NEWUTS, "NEWUTS"}, {unix.CLONE_NEWIPC, "NEWIPC"},
		{unix.CLONE_NEWPID, "NEWPID"}, {unix.CLONE_NEWNET, "NEWNET"}, {unix.CLONE_NEWCGROUP, "NEWCGROUP"}, {unix.CLONE_NEWTIME, "NEWTIME"},
	} {
		if flags&n.flag != 0 {
			names = append(names, n.name)
		}
	}
	return strings.Join(names, "|")
}
