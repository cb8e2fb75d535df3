// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// items are facts by their names, comparable between runtimes and from run to run.
type items map[string]string

// place is what facts are relative to.
type place struct {
	scratch string
	host    map[string]string // the test's namespaces: "net" to "net:[4026531840]"
	joined  map[string]string // those of the sandbox
	ownPIDs bool
	masked  []string // by the config
	fixed   []string // read-only paths of the config
}

// A fact is a line of the probe.
type fact struct{ name, value string }

var errCut = errors.New("the probe's output is cut off")

// readFacts parses what the probe prints. Its escapes stay: values are lines in a list.
func readFacts(out string) ([]fact, error) {
	var all []fact
	for line := range strings.Lines(out) {
		name, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		if !ok {
			return nil, fmt.Errorf("the probe printed %q", line)
		}
		all = append(all, fact{name, value})
	}
	if len(all) == 0 || all[len(all)-1].name != "end" {
		return nil, errCut
	}
	return all, nil
}

// comparable makes items of facts.
func (p place) comparable(facts []fact) items {
	out := items{}
	m := mounts{points: map[string]string{}, masked: p.masked, fixed: p.fixed}
	var environment []string
	for _, f := range facts {
		value := p.named(f.value)
		kind, rest, _ := strings.Cut(p.named(f.name), " ")
		switch kind {
		case "mount":
			m.add(value)
		case "environment":
			environment = append(environment, value)
		case "namespace":
			out[kind+" "+rest] = p.namespace(strings.TrimSuffix(rest, "_for_children"), f.value)
		case "status":
			p.status(out, rest, value)
		case "limit":
			limit(out, value)
		case "pid", "ppid", "pgid", "sid":
			if p.ownPIDs {
				out[kind] = value
			}
		case "fd":
			out[kind+" "+rest] = anonymous.ReplaceAllString(value, ":[]")
		case "file":
			file(out, rest, value)
		case "cgroup":
			if strings.HasSuffix(rest, "devices.list") { // a set of what is allowed
				rules := strings.Split(value, `\n`)
				slices.Sort(rules)
				value = strings.Join(rules, `\n`)
			}
			if !moving.MatchString(rest) && !others.MatchString(rest) {
				out["cgroup file "+rest] = value
			}
		case "cgroupmode":
			if !others.MatchString(rest) {
				out["cgroup mode "+rest] = value
			}
		case "end":
		default:
			out[strings.TrimSpace(kind+" "+rest)] = value
		}
	}
	m.items(out)
	out["environment"] = strings.Join(environment, " ")
	return out
}

// named puts names for what changes from run to run.
func (p place) named(text string) string {
	return strings.NewReplacer(p.scratch, "SCRATCH", strings.TrimPrefix(p.scratch, "/tmp"), "SCRATCH", testCgroup, "CGROUP").Replace(text)
}

func (p place) namespace(kind, link string) string {
	switch link {
	case p.host[kind]:
		return "the host's"
	case p.joined[kind]:
		return "joined"
	}
	return "new"
}

var (
	anonymous = regexp.MustCompile(`:\[\d+\]`)
	// moving are files of cgroups that count, or list processes.
	moving = regexp.MustCompile(`usage|stat|failcnt|peak|current|events|pressure|procs|tasks|threads|service|io_|numa|avg|\.time|sectors|merged|wait|queued`)
)

// others are controllers that nothing is said about; cgroup.controllers tells whether they are there.
var others = regexp.MustCompile(`^2 (misc|rdma|dmem)\.`)

// statusFields are the lines of /proc/self/status that a runtime has a say in.
var statusFields = strings.Fields(`Umask TracerPid Uid Gid Groups NoNewPrivs Seccomp Seccomp_filters CapInh CapPrm CapEff CapBnd CapAmb SigPnd ShdPnd
	SigBlk SigIgn SigCgt Cpus_allowed_list Mems_allowed_list THP_enabled Threads Speculation_Store_Bypass SpeculationIndirectBranch`)

// pidFields are those that have process IDs.
var pidFields = []string{"NSpid", "NSpgid", "NSsid", "Pid", "PPid", "Tgid"}

func (p place) status(out items, field, value string) {
	if slices.Contains(statusFields, field) || p.ownPIDs && slices.Contains(pidFields, field) {
		out["status "+field] = strings.TrimSpace(strings.ReplaceAll(value, `\t`, " "))
	}
}

// limit reads a line of /proc/self/limits: the name in 26 columns, soft and hard limit, unit.
func limit(out items, line string) {
	if len(line) < 60 || strings.HasPrefix(line, "Limit ") {
		return
	}
	if limits := strings.Fields(line[26:]); len(limits) >= 2 {
		out["limit "+strings.TrimSpace(line[:26])] = limits[0] + " " + limits[1]
	}
}

// file is one of /proc/self.
func file(out items, name, value string) {
	switch name {
	case "cgroup":
		for line := range strings.SplitSeq(value, `\n`) {
			if f := strings.SplitN(line, ":", 3); len(f) == 3 { // hierarchy-ID:controller-list:path
				out["cgroup of "+f[1]] = f[2]
			}
		}
	case "autogroup": // a number of the kernel's
	default:
		out["/proc/self/"+name] = value
	}
}

// mounts are lines of /proc/self/mountinfo:
//
//	36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
//	id parent device root point options optional fields - type source super options
type mounts struct {
	lines  []mountLine
	points map[string]string // of IDs
	masked []string
	fixed  []string
}

type mountLine struct{ parent, root, point, options, propagation, filesystem string }

// ofHost are options of the one file system of cgroup v2, which whoever mounts it without them takes away from the host, as runc and crun do.
var ofHost = regexp.MustCompile(`,(nsdelegate|favordynmods|memory_localevents|memory_recursiveprot|memory_hugetlb_accounting|pids_localevents)`)

var groups = regexp.MustCompile(`:\d+`)

func (m *mounts) add(line string) {
	front, back, ok := strings.Cut(line, " - ")
	f := strings.Fields(front)
	if !ok || len(f) < 6 {
		m.lines = append(m.lines, mountLine{point: "?", filesystem: line})
		return
	}
	l := mountLine{parent: f[1], root: f[3], point: f[4], options: f[5], filesystem: back}
	l.propagation = groups.ReplaceAllString(strings.Join(f[6:], ","), "")
	if l.propagation == "" {
		l.propagation = "private"
	}
	l.alike()
	m.alias(&l)
	m.points[f[0]] = l.point
	m.lines = append(m.lines, l)
}

// alike gives all hierarchies of cgroup v1 one name, and those without a controller another: one is like another.
func (l *mountLine) alike() {
	f := strings.Fields(l.filesystem)
	if len(f) == 3 && f[0] == "cgroup2" {
		l.filesystem = ofHost.ReplaceAllString(l.filesystem, "")
	}
	if len(f) != 3 || f[0] != "cgroup" {
		return
	}
	options := strings.Split(f[2], ",")
	what := strings.Join(slices.DeleteFunc(options, func(o string) bool { return o == "rw" || o == "xattr" }), ",")
	alias := "CONTROLLER"
	if name, ok := strings.CutPrefix(what, "name="); ok {
		what, alias = name, "NAME"
	}
	l.filesystem = strings.ReplaceAll(l.filesystem, what, alias)
	l.point = strings.Replace(l.point, "/sys/fs/cgroup/"+what, "/sys/fs/cgroup/"+alias, 1)
}

func (m *mounts) items(out items) {
	var order []string
	for _, l := range m.lines {
		if !l.many() {
			order = append(order, l.point)
		}
		name := l.point
		for n := 2; out["mount "+name] != "" && !l.same(out, name); n++ {
			name = fmt.Sprintf("%s (%d)", l.point, n)
		}
		out["mount "+name], out["propagation "+name], out["flags "+name], out["filesystem "+name] = l.root, l.propagation, l.options, l.filesystem
		if on := m.points[l.parent]; on != "" && !l.many() && !slices.Contains([]string{"/", l.point}, on) {
			out["parent of "+name] = on
		}
	}
	out["mounts in order"] = strings.Join(order, " ")
}

// alias gives what is masked or protected the same name: which paths there are is the kernel's matter.
func (m *mounts) alias(l *mountLine) {
	switch {
	case slices.Contains(m.masked, l.point) && l.root == "/" && strings.HasPrefix(l.filesystem, "tmpfs "):
		l.point = "(masked directory)"
	case slices.Contains(m.masked, l.point):
		l.point = "(masked file)"
	case slices.Contains(m.fixed, l.point) && strings.HasPrefix(l.point, "/proc/"):
		l.point, l.root = "(protected path)", "(itself)"
	}
}

// many says whether the mount is one of several alike.
func (l mountLine) many() bool {
	return l.point[0] == '(' || strings.HasPrefix(l.point, "/sys/fs/cgroup/")
}

// same says whether a mount tells nothing new.
func (l mountLine) same(out items, name string) bool {
	return l.many() && out["mount "+name] == l.root && out["propagation "+name] == l.propagation &&
		out["flags "+name] == l.options && out["filesystem "+name] == l.filesystem
}

// namespacesOf tells the namespaces of a process.
func namespacesOf(t testing.TB, pid string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir("/proc/" + pid + "/ns")
	must(t, err)
	all := map[string]string{}
	for _, e := range entries {
		link, err := os.Readlink("/proc/" + pid + "/ns/" + e.Name())
		must(t, err)
		all[strings.TrimSuffix(e.Name(), "_for_children")] = link
	}
	return all
}
