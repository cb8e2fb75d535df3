// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"context"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"crisp/test/isolate"
	"crisp/test/lane"
	"crisp/test/leak"
)

// A row is one thing that the specification says. It has an edit with sights or a check, or a refusal, or a run.
type row struct {
	id     string   // the name of its subtest
	of     string   // the row of section 6 that it belongs to (sections)
	fields []string // of config.json, as JSON paths
	lane   string   // "v1" or "v2", where it says something about one of them
	needs  func() (missing string)
	edit   func(*bundle)
	sees   []sight
	check  func(*bench, answers)
	// refused: create fails, its error has these words (the JSON path of the field), and nothing is left.
	refused string
	alone   bool // it disturbs others in the same container
	run     func(*bench)
}

// A sight is a question for the probe and the answer that is wanted: the text itself, "~" and a regular expression, or "!~" and one that
// must not match.
type sight struct{ ask, want string }

func (s sight) matches(got string) bool {
	if pattern, ok := strings.CutPrefix(s.want, "!~"); ok {
		return !regexp.MustCompile(pattern).MatchString(got)
	}
	if pattern, ok := strings.CutPrefix(s.want, "~"); ok {
		return regexp.MustCompile(pattern).MatchString(got)
	}
	return got == s.want
}

// A table is rows that share a container, but for those that cannot.
type table struct {
	name string
	base func(*bundle) // edits first
	rows []row
}

// lanes of this host.
func laneHere() string {
	if place.unified {
		return "v2"
	}
	return "v1"
}

// missing is why this host cannot show a row.
func (r row) missing() string {
	if r.lane != "" && r.lane != laneHere() {
		return "it is about cgroup " + r.lane
	}
	if r.needs != nil {
		return r.needs()
	}
	return ""
}

// single says whether a row has a container of its own.
func (r row) single() bool { return r.alone || r.run != nil || r.refused != "" }

// verify carries a row out by itself.
func (r row) verify(base func(*bundle)) []string {
	return withBench(func(b *bench) {
		switch {
		case r.run != nil:
			r.run(b)
		case r.refused != "":
			r.refuse(b, base)
		default:
			k := together(b, base, []row{r})
			r.judge(b, k.run())
		}
	})
}

// together is a bundle that several rows have edited.
func together(b *bench, base func(*bundle), rows []row) *bundle {
	k := b.bundle()
	if base != nil {
		base(k)
	}
	for _, r := range rows {
		if r.edit != nil {
			r.edit(k)
		}
		for _, s := range r.sees {
			if !slices.Contains(k.asks, s.ask) {
				k.asks = append(k.asks, s.ask)
			}
		}
	}
	return k
}

func (r row) judge(b *bench, a answers) {
	for _, s := range r.sees {
		if !s.matches(a[s.ask]) {
			b.errorf("%s: %q, want %q", s.ask, a[s.ask], s.want)
		}
	}
	if r.check != nil {
		r.check(b, a)
	}
}

// refuse wants create to fail. withBench sees to it that nothing is left.
func (r row) refuse(b *bench, base func(*bundle)) {
	k := together(b, base, []row{r})
	id := k.id()
	k.save(id, "ask")
	got := b.fails(k.args("create", id)...)
	if place.peer == "" && !strings.Contains(got.errs, r.refused) {
		b.errorf("the error does not name %q: %s", r.refused, got.errs)
	}
	if left := cgroupDirs(place.cgroup + "/" + id); left != nil {
		b.errorf("left behind: %q", left)
	}
	if left := b.containers(); left != nil && got.code != 0 {
		b.errorf("left behind: %q", left)
	}
}

// tables are all of them, by the name of their test.
func tables() map[string][]table {
	return map[string][]table{
		"process": processTables(), "capabilities": capabilityTables(), "mounts": mountTables(), "namespaces": namespaceTables(), "devices": deviceTables(), "resources": resourceTables(), "controllers": controllerTables(),
		"seccomp": seccompTables(), "hooks": hookTables(), "terminal": terminalTables(),
		"operations": operationTables(), "config": configTables(),
	}
}

// verifyTables runs one test's tables at a time in parallel, and looks for leaks at the end.
func verifyTables(t *testing.T, name string) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	scope := leak.Scope{Ancestor: isolate.Outer(), Cgroup: place.cgroup, Ignore: func(kind, name string) bool {
		return kind == "cgroup" && (strings.HasSuffix(name, place.cgroup) || hidden && strings.HasPrefix(name, unifiedHierarchy))
	}}
	before, err := leak.Take(scope)
	if err != nil {
		t.Fatal(err)
	}
	known := exceptions(t)
	t.Run("rows", func(t *testing.T) {
		for _, table := range tables()[name] {
			table.verify(t, known)
		}
	})
	if err := lane.Leaks(context.Background(), scope, before); err != nil {
		t.Error(err)
	}
}

// verify runs a table. Rows that are listed as exceptions have containers of their own, so that they spoil none.
func (c table) verify(t *testing.T, known map[string]string) {
	var shared []row
	for _, r := range c.rows {
		why, missing := known[r.id], r.missing()
		switch {
		case missing != "":
			t.Run(r.id, func(t *testing.T) { t.Skip(missing) })
		case why == "" && !r.single():
			shared = append(shared, r)
		default:
			t.Run(r.id, func(t *testing.T) {
				t.Parallel()
				report(t, why, r.verify(c.base))
			})
		}
	}
	if len(shared) == 0 {
		return
	}
	t.Run(c.name, func(t *testing.T) {
		t.Parallel()
		var seen answers
		problems := withBench(func(b *bench) { seen = together(b, c.base, shared).run() })
		if seen != nil {
			report(t, "", problems)
		}
		for _, r := range shared {
			t.Run(r.id, func(t *testing.T) {
				if seen == nil { // one of them spoils it: which?
					report(t, "", r.verify(c.base))
					return
				}
				b := &bench{}
				b.guard(func() { r.judge(b, seen) })
				report(t, "", b.problems)
			})
		}
		if seen == nil && !t.Failed() {
			t.Errorf("the container of all rows fails, those of each do not: %q", problems)
		}
	})
}

// report fails the test, or skips it where the row is a known exception; such a one must not pass, unless chance decides.
func report(t *testing.T, why string, problems []string) {
	t.Helper()
	if why == "" {
		for _, p := range problems {
			t.Error(p)
		}
		return
	}
	if len(problems) == 0 && strings.HasPrefix(why, "sometimes: ") {
		return
	}
	if len(problems) == 0 {
		t.Errorf("it passes: take it off the list, where it says %q", why)
		return
	}
	if testing.Verbose() {
		t.Log(strings.Join(problems, "\n"))
	}
	t.Skip(why)
}
