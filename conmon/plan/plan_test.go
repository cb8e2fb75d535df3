// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// sample is a plan with every kind of field in it.
func sample() *Plan {
	p := New()
	root, ns := p.File(), p.File()
	p.CloneFlags = unix.CLONE_NEWNS | unix.CLONE_NEWUSER
	p.JoinPID, p.Joins = ns, []Reg{root, ns}
	p.UIDMap, p.GIDMap = "0 1000 1\n", "0 2000 1\n"
	adj := -998
	p.OOMAdj = &adj
	add := func(op Op, note string, fill func(*Step)) {
		s := Make(op, note)
		fill(&s)
		p.Add(s)
	}
	r := p.Reg()
	add(OpMount, "make / a slave", func(s *Step) { s.Str[1], s.Arg[0] = "/", unix.MS_REC|unix.MS_SLAVE })
	add(OpFsopen, "open a tmpfs", func(s *Step) { s.Str[0], s.Out = "tmpfs", r })
	add(OpFsconfig, "with an empty source", func(s *Step) { s.FD, s.Str[0], s.Has[1], s.Arg[0] = r, "source", true, 1 })
	add(OpMkpoint, "make /var/run/x", func(s *Step) {
		s.FD, s.Str[0], s.Out, s.FD2, s.Arg = root, "/var/run/x", p.Reg(), r, [4]uint64{2, 0o755}
	})
	add(OpWrite, "limit", func(s *Step) {
		s.FD, s.Str[0], s.Blob, s.OK, s.Skip = r, "pids.max", []byte("10\n"), []unix.Errno{unix.EACCES, unix.EPERM}, 1
	})
	add(OpSethostname, "host name", func(s *Step) { s.Str[0] = "host" })
	add(OpSetgroups, "groups", func(s *Step) { s.Blob = Groups([]uint32{1, 2, 3}) })
	add(OpSetgroups, "no groups", func(*Step) {})
	add(OpSeccomp, "filter", func(s *Step) { s.Blob = make([]byte, 16) })
	add(OpSetresuid, "user", func(s *Step) { s.Arg = [4]uint64{1, 1<<32 - 1, 1} })
	add(OpBarrier, "created", func(*Step) {})
	add(OpExec, "start", func(s *Step) {
		s.Str[0], s.Argv, s.Env = "sh", []string{"sh", "", "-c"}, []string{"A=1", "PATH=/bin"}
	})
	return p
}

func TestWireStructsHaveNoPadding(t *testing.T) {
	if unsafe.Sizeof(wirePlan{}) != headerSize || unsafe.Sizeof(wireStep{}) != stepSize {
		t.Errorf("sizes %d, %d", unsafe.Sizeof(wirePlan{}), unsafe.Sizeof(wireStep{}))
	}
}

func TestDecodeGivesBackWhatWasEncoded(t *testing.T) {
	p := sample()
	b, err := p.Encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	want := canonical(p)
	if g, w := got.String(), want.String(); g != w {
		t.Errorf("decoded:\n%s\nencoded:\n%s", g, w)
	}
	got.regs = want.regs
	if !reflect.DeepEqual(got, want) {
		t.Errorf("decoded %#v\nencoded %#v", got, want)
	}
	again, err := got.Encode()
	if err != nil || string(again) != string(b) {
		t.Errorf("encodes differently: %v", err)
	}
}

// canonical is a plan as Decode gives it: without notes, blobs as such, the counts of EXEC filled in.
func canonical(p *Plan) *Plan {
	q := *p
	q.Steps = nil
	for _, s := range p.Steps {
		s.Note = ""
		sh, _ := s.Op.shape()
		if i := sh.blob(); i >= 0 && s.Blob == nil && s.Str[i] != "" {
			s.Blob, s.Str[i] = []byte(s.Str[i]), ""
		}
		if s.Op == OpExec {
			s.Arg[0] = uint64(len(s.Argv))
		}
		q.Steps = append(q.Steps, s)
	}
	return &q
}

func TestStringTellsEachStepBelowWhatItIsFor(t *testing.T) {
	want := `plan: 2 files, clone NEWUSER|NEWNS, join pid r1, join r0, join r1, uid map "0 1000 1\n", gid map "0 2000 1\n", oom_score_adj -998, barrier
make / a slave
  0 MOUNT on="/" flags=REC|SLAVE
open a tmpfs
  1 FSOPEN "tmpfs" -> r2
with an empty source
  2 FSCONFIG r2 "source"=""
make /var/run/x
  3 MKPOINT "/var/run/x" in=r0 like=r2 mode=0755 -> r3
limit
  4 WRITE "pids.max" at=r2 value="10\n"; on EACCES|EPERM go to 6
host name
  5 SETHOSTNAME "host"
groups
  6 SETGROUPS 1 2 3
no groups
  7 SETGROUPS none
filter
  8 SECCOMP 2 instructions
user
  9 SETRESUID real=1 effective=unchanged saved=1
created
  10 BARRIER
start
  11 EXEC "sh" argv=["sh" "" "-c"] env=["A=1" "PATH=/bin"]
`
	if got := sample().String(); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestEncodeRefusesWrongPlans(t *testing.T) {
	exec := func() Step { s := Make(OpExec, ""); s.Str[0], s.Argv = "/x", []string{"x"}; return s }
	step := func(op Op, fill func(*Step)) func(*Plan) {
		return func(p *Plan) { s := Make(op, ""); fill(&s); p.Steps = append([]Step{s}, p.Steps...) }
	}
	for name, c := range map[string]struct {
		change func(*Plan)
		want   error
	}{
		"no steps":              {func(p *Plan) { p.Steps = nil }, ErrShape},
		"no EXEC":               {func(p *Plan) { p.Steps[0] = Make(OpSetsid, "") }, ErrShape},
		"two EXECs":             {func(p *Plan) { p.Steps = append(p.Steps, exec()) }, ErrShape},
		"unknown op":            {step(63, func(*Step) {}), nil},
		"register missing":      {step(OpFchdir, func(*Step) {}), ErrShape},
		"register not taken":    {step(OpSetsid, func(s *Step) { s.FD = 0 }), ErrShape},
		"zero Step":             {func(p *Plan) { p.Steps = append([]Step{{Op: OpUmask}}, p.Steps...) }, ErrShape},
		"register too big":      {step(OpFchdir, func(s *Step) { s.FD = NumRegs }), ErrLimit},
		"string missing":        {step(OpChdir, func(*Step) {}), ErrShape},
		"string not taken":      {step(OpSetsid, func(s *Step) { s.Str[0] = "x" }), ErrShape},
		"NUL in a string":       {step(OpChdir, func(s *Step) { s.Str[0] = "a\x00b" }), ErrShape},
		"blob not taken":        {step(OpSetsid, func(s *Step) { s.Blob = []byte("x") }), ErrShape},
		"odd blob":              {step(OpSeccomp, func(s *Step) { s.Blob = []byte("xyz") }), ErrShape},
		"argv not taken":        {step(OpSetsid, func(s *Step) { s.Argv = []string{"x"} }), ErrShape},
		"four errnos":           {step(OpSetsid, func(s *Step) { s.OK = make([]unix.Errno, 4) }), ErrLimit},
		"skip past the end":     {step(OpSetsid, func(s *Step) { s.Skip = 1 }), ErrLimit},
		"no arguments":          {func(p *Plan) { p.Steps[0].Argv = nil }, ErrLimit},
		"NUL in an argument":    {func(p *Plan) { p.Steps[0].Argv = []string{"x", "a\x00b"} }, ErrShape},
		"NUL in the map":        {func(p *Plan) { p.UIDMap = "0\x00" }, ErrShape},
		"barrier without step":  {func(p *Plan) { p.Barrier = true }, ErrShape},
		"cgroup not among them": {func(p *Plan) { p.CgroupFD = 0 }, ErrLimit},
		"clone flags":           {func(p *Plan) { p.CloneFlags = unix.CLONE_VM }, ErrShape},
		"too many files":        {func(p *Plan) { p.NumFDs = MaxFiles + 1 }, ErrLimit},
		"oom_score_adj":         {func(p *Plan) { n := 1001; p.OOMAdj = &n }, ErrLimit},
		"too large": {func(p *Plan) {
			for i := range 20 {
				p.Steps[0].Env = append(p.Steps[0].Env, fmt.Sprint(i)+strings.Repeat("x", 1<<20))
			}
		}, ErrLimit},
	} {
		t.Run(name, func(t *testing.T) {
			p := New()
			p.Add(exec())
			if _, err := p.Encode(); err != nil {
				t.Fatal(err)
			}
			c.change(p)
			if _, err := p.Encode(); err == nil || (c.want != nil && !errors.Is(err, c.want)) {
				t.Errorf("error %v, want %v", err, c.want)
			}
		})
	}
}

func TestRegistersDoNotCollide(t *testing.T) {
	p := New()
	got := []Reg{p.File(), p.File(), p.Reg(), p.Reg()}
	if fmt.Sprint(got) != "[0 1 2 3]" || p.NumFDs != 2 {
		t.Errorf("registers %v, %d files", got, p.NumFDs)
	}
}

func TestMemfdIsSealed(t *testing.T) {
	f, err := sample().Memfd()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte("x"), 0); !errors.Is(err, unix.EPERM) {
		t.Errorf("write: %v", err)
	}
	if err := f.Truncate(0); !errors.Is(err, unix.EPERM) {
		t.Errorf("truncate: %v", err)
	}
}

// BenchmarkEncode encodes a plan of a hundred steps, as a container has.
func BenchmarkEncode(b *testing.B) {
	p := New()
	for i := range 99 {
		s := Make(OpOpenat2, "open something")
		s.Str[0], s.Out = fmt.Sprintf("/some/path/%d", i%50), Reg(i)
		p.Add(s)
	}
	e := Make(OpExec, "start")
	e.Str[0], e.Argv, e.Env = "/bin/sh", []string{"sh"}, make([]string, 30)
	p.Add(e)
	for b.Loop() {
		if _, err := p.Encode(); err != nil {
			b.Fatal(err)
		}
	}
}
