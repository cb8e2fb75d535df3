// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

func TestHooks(t *testing.T) { verifyTables(t, "hooks") }

// hookReport is a line of a hook's log, as the probe writes it.
type hookReport struct {
	Name       string
	Args       []string
	Env        []string
	Cwd        string
	State      specs.State
	Namespaces map[string]string // of the hook
	Container  map[string]string // of the process that the state names
	Root       []string          // names in its /
	Mounts     string            // its mountinfo
	FDs        int
}

// kinds of hooks, with the status that the state on stdin has (runtime.md, "Lifecycle"; runc and crun say "creating" until createContainer).
var hookKinds = []struct {
	name   string
	status string
	of     func(*specs.Hooks) *[]specs.Hook
}{
	//lint:ignore SA1019 deprecated, and still a field
	{"prestart", "creating", func(h *specs.Hooks) *[]specs.Hook { return &h.Prestart }},
	{"createRuntime", "creating", func(h *specs.Hooks) *[]specs.Hook { return &h.CreateRuntime }},
	{"createContainer", "creating", func(h *specs.Hooks) *[]specs.Hook { return &h.CreateContainer }},
	{"startContainer", "created", func(h *specs.Hooks) *[]specs.Hook { return &h.StartContainer }},
	{"poststart", "running", func(h *specs.Hooks) *[]specs.Hook { return &h.Poststart }},
	{"poststop", "stopped", func(h *specs.Hooks) *[]specs.Hook { return &h.Poststop }},
}

// withLog lets hooks and the container write to one log, below /log in the container.
func (k *bundle) withLog() {
	k.must(os.Chmod(k.made("log"), 0o777))
	k.mount("bind", k.path("log"), "/log", "bind")
	k.Hooks = &specs.Hooks{}
}

// hook adds one of a kind, with more words for the probe.
func (k *bundle) hook(kind, name string, more ...string) *specs.Hook {
	program, log := filepath.Join(place.image, "probe"), k.path("log/log")
	if kind == "startContainer" {
		program, log = "/probe", "/log/log"
	}
	for _, each := range hookKinds {
		if each.name == kind {
			list := each.of(k.Hooks)
			*list = append(*list, specs.Hook{Path: program, Args: append([]string{"argv0", "hook", name, log}, more...), Env: []string{"HOOK=" + name, "SECOND=2"}})
			return &(*list)[len(*list)-1]
		}
	}
	panic(kind)
}

func (b *bench) log() []hookReport {
	text, err := os.ReadFile(b.path("log/log"))
	if os.IsNotExist(err) {
		return nil
	}
	b.must(err)
	var all []hookReport
	for line := range strings.Lines(string(text)) {
		var r hookReport
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			b.fatalf("the log of hooks: %v: %q", err, line)
		}
		all = append(all, r)
	}
	return all
}

func names(all []hookReport) []string {
	var list []string
	for _, r := range all {
		list = append(list, r.Name)
	}
	return list
}

func hookTables() []table {
	var rows []row
	for _, kind := range hookKinds {
		var fields []string
		for _, f := range []string{"path", "args", "env", "timeout"} {
			fields = append(fields, "hooks."+kind.name+"."+f)
		}
		rows = append(rows, row{
			id: "hooks." + kind.name, of: "6.3 hooks", fields: fields,
			run: func(b *bench) { verifyHook(b, kind.name, kind.status) },
		})
		if kind.name != "poststop" {
			rows = append(rows, row{
				id: "hooks.failing." + kind.name, of: "6.3 hooks",
				run: func(b *bench) { verifyFailingHook(b, kind.name) },
			})
		}
		rows = append(rows, row{
			id: "hooks.relative." + kind.name, of: "6.3 hooks", refused: "hooks." + kind.name + "[0].path",
			edit: func(k *bundle) {
				k.Hooks = &specs.Hooks{}
				k.hook(kind.name, "x").Path = "bin/true"
			},
		}, row{
			id: "hooks.timeout.zero." + kind.name, of: "6.3 hooks", refused: "hooks." + kind.name + "[0].timeout",
			edit: func(k *bundle) {
				k.Hooks = &specs.Hooks{}
				k.hook(kind.name, "x").Timeout = new(0)
			},
		})
	}
	return []table{{name: "hooks", rows: append(rows, hookRows()...)}}
}

// verifyHook runs two of a kind and looks at what the first one saw.
func verifyHook(b *bench, kind, status string) {
	k := b.bundle()
	k.withLog()
	k.Annotations = map[string]string{"org.example": "annotated"}
	k.hook("createRuntime", "witness") // tells the container's namespaces
	k.hook(kind, "first").Timeout = new(20)
	k.hook(kind, "second")
	k.asks = []string{"ids"}
	c := k.create()
	c.start()
	c.stop()
	c.delete()
	log := b.log()
	if want := []string{"witness", "first", "second"}; !slices.Equal(sorted(names(log)), sorted(want)) {
		b.fatalf("hooks ran: %q", names(log))
	}
	container := log[slices.Index(names(log), "witness")].Container
	r := log[slices.Index(names(log), "first")]
	if !slices.Equal(r.Args[:3], []string{"argv0", "hook", "first"}) {
		b.errorf("args %q", r.Args)
	}
	if !slices.Equal(r.Env, []string{"HOOK=first", "SECOND=2"}) {
		b.errorf("env %q", r.Env)
	}
	s := r.State
	if s.ID != c.id || string(s.Status) != status || s.Version == "" || s.Annotations["org.example"] != "annotated" {
		b.errorf("state on stdin: %+v, want the status %s", s, status)
	}
	if kind != "poststop" && s.Pid <= 0 {
		b.errorf("state on stdin has the pid %d", s.Pid)
	}
	if s.Bundle != k.dir {
		b.errorf("state on stdin has the bundle %s, not %s", s.Bundle, k.dir)
	}
	inside, pivoted := kind == "createContainer" || kind == "startContainer", kind == "startContainer"
	if got := r.Namespaces["mnt"]; inside != (got == container["mnt"]) || inside == (got == hostNamespace("mount")) {
		b.errorf("mount namespace %s; the container's is %s, the host's %s", got, container["mnt"], hostNamespace("mount"))
	}
	for _, kind := range []string{"pid", "net", "ipc", "uts"} {
		if got := r.Namespaces[kind]; pivoted && got != container[kind] {
			b.errorf("%s namespace %s; the container's is %s", kind, got, container[kind])
		}
	}
	if pivoted != slices.Contains(r.Root, "probe") {
		b.errorf("its root has %q", r.Root)
	}
	if kind == "createContainer" && !strings.Contains(r.Mounts, k.rootfs+"/proc ") {
		b.errorf("the container's mounts are not there yet")
	}
}

func sorted(all []string) []string {
	all = slices.Clone(all)
	slices.Sort(all)
	return all
}

// verifyFailingHook: an error, the container is gone, later hooks of the list do not run.
func verifyFailingHook(b *bench, kind string) {
	k := b.bundle()
	k.withLog()
	k.hook(kind, "failing", "exit", "3")
	k.hook(kind, "later")
	k.Process.Args = []string{"/probe", "hook", "workload", "/log/log"}
	if kind == "poststart" { // it has started by then
		k.Process.Args = []string{"/probe", "stay"}
	}
	id := k.id()
	k.save(id, "")
	r := k.command(k.args("run", id)...)
	if r.code == 0 {
		b.errorf("it is no error: %v", r)
	}
	if place.peer == "" && (!strings.Contains(r.errs, kind) || !strings.Contains(r.errs, "last words")) {
		b.errorf("the error does not say which hook, or what it said: %q", r.errs)
	}
	if got := names(b.log()); !slices.Equal(got, []string{"failing"}) {
		b.errorf("ran: %q", got)
	}
	b.fails("state", id)
}

func hookRows() []row {
	hook := func(id string, run func(*bench)) row { return row{id: "hooks." + id, of: "6.3 hooks", run: run} }
	return []row{
		hook("order", verifyHooksOrder),
		hook("moments", verifyHooksMoments),
		hook("failing.poststop", verifyHooksFailingPoststop),
		hook("failing.runsPoststop", verifyHooksFailingRunsPoststop),
		hook("timeout", verifyHooksTimeout),
		hook("missingProgram", verifyHooksMissingProgram),
		hook("environment.own", verifyHooksEnvironmentOwn),
	}
}

func verifyHooksOrder(b *bench) {
	k := b.bundle()
	k.withLog()
	var want []string
	for _, kind := range hookKinds {
		for _, n := range []string{"1", "2"} {
			k.hook(kind.name, kind.name+n)
			want = append(want, kind.name+n)
		}
	}
	k.Process.Args = []string{"/probe", "hook", "workload", "/log/log"}
	if r := k.try(); r.code != 0 {
		b.fatalf("run: %v", r)
	}
	got := names(b.log())
	at := slices.Index(got, "workload")
	if at < slices.Index(got, "startContainer2") || at > slices.Index(got, "poststop1") {
		b.errorf("the workload ran at another time: %q", got)
	}
	if got = slices.DeleteFunc(got, func(n string) bool { return n == "workload" }); !slices.Equal(got, want) {
		b.errorf("order %q", got)
	}
}

// verifyHooksMoments is about which operation runs them.
func verifyHooksMoments(b *bench) {
	k := b.bundle()
	k.withLog()
	for _, kind := range hookKinds {
		k.hook(kind.name, kind.name)
	}
	c := k.create()
	if got := names(b.log()); !slices.Equal(got, []string{"prestart", "createRuntime", "createContainer"}) {
		b.errorf("create runs %q", got)
	}
	c.start()
	if got := names(b.log())[3:]; !slices.Equal(got, []string{"startContainer", "poststart"}) {
		b.errorf("start runs %q", got)
	}
	c.stop()
	if got := names(b.log()); len(got) != 5 {
		b.errorf("before delete: %q", got)
	}
	c.delete()
	if got := names(b.log())[5:]; !slices.Equal(got, []string{"poststop"}) {
		b.errorf("delete runs %q", got)
	}
}

// verifyHooksFailingPoststop: such a hook is a warning, and the others run.
func verifyHooksFailingPoststop(b *bench) {
	k := b.bundle()
	k.withLog()
	k.hook("poststop", "failing", "exit", "3")
	k.hook("poststop", "later")
	c := k.create()
	c.start()
	c.stop()
	c.delete()
	b.fails("state", c.id)
	if got := names(b.log()); !slices.Equal(got, []string{"failing", "later"}) {
		b.errorf("ran: %q", got)
	}
}

// verifyHooksFailingRunsPoststop: the life cycle goes on with the deletion (runtime.md, "Lifecycle").
func verifyHooksFailingRunsPoststop(b *bench) {
	k := b.bundle()
	k.withLog()
	k.hook("createRuntime", "failing", "exit", "3")
	k.hook("poststop", "poststop")
	k.asks = []string{"ids"}
	if r := k.try(); r.code == 0 {
		b.errorf("it is no error: %v", r)
	}
	if got := names(b.log()); !slices.Equal(got, []string{"failing", "poststop"}) {
		b.errorf("ran: %q", got)
	}
}

func verifyHooksTimeout(b *bench) {
	k := b.bundle()
	k.withLog()
	k.hook("createRuntime", "hanging", "hang").Timeout = new(1)
	k.asks = []string{"ids"}
	if r := k.try(); r.code == 0 {
		b.errorf("it is no error: %v", r)
	}
	if got := names(b.log()); !slices.Equal(got, []string{"hanging"}) {
		b.errorf("ran: %q", got)
	}
}

func verifyHooksMissingProgram(b *bench) {
	k := b.bundle()
	k.withLog()
	k.hook("createContainer", "x").Path = "/nowhere/at/all"
	k.asks = []string{"ids"}
	if r := k.try(); r.code == 0 || !strings.Contains(r.errs, "/nowhere/at/all") {
		b.errorf("%v", r)
	}
}

// verifyHooksEnvironmentOwn: a hook without env gets nothing of the container's, and does not write to its stdout.
func verifyHooksEnvironmentOwn(b *bench) {
	k := b.bundle()
	k.withLog()
	k.Process.Env = append(k.Process.Env, "CONTAINER=yes")
	k.hook("createRuntime", "x").Env = nil
	k.asks = []string{"ids"}
	r := k.try()
	if r.code != 0 {
		b.fatalf("run: %v", r)
	}
	if log := b.log(); len(log) != 1 || slices.Contains(log[0].Env, "CONTAINER=yes") {
		b.errorf("%+v", log)
	}
	b.answers(r.out) // nothing of the hook between
}
