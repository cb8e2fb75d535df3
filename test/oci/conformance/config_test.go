// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

func TestConfig(t *testing.T) { verifyTables(t, "config") }

func configTables() []table {
	return []table{
		{name: "versions and annotations", rows: versionRows()},
		{name: "invalid", rows: invalidRows()},
		{name: "memory policies", rows: memoryPolicyRows()},
		{name: "labels", rows: labelRows()},
		{name: "resource director", rows: rdtRows()},
	}
}

func versionRows() []row {
	version := func(v string) row {
		return row{
			id: "ociVersion." + v, of: "6.1 ociVersion", fields: []string{"ociVersion"}, alone: true,
			edit: func(k *bundle) { k.Version = v },
			sees: []sight{{"ids", "0 0 0 0 0 0"}},
		}
	}
	refuse := func(id, v string) row {
		return row{id: "ociVersion." + id, of: "6.1 ociVersion", refused: "ociVersion", edit: func(k *bundle) { k.Version = v }}
	}
	return []row{
		version("1.0.0"), version("1.0.2-dev"), version("1.1.0"), version("1.2.1"), version("1.3.0"), refuse("major", "2.0.0"), refuse("text", "one"), refuse("none", ""),
		{
			id: "annotations", of: "6.1 annotations", fields: []string{"annotations"},
			run: func(b *bench) {
				k := b.bundle()
				k.Annotations = map[string]string{"org.example.key": "value ü", "unknown": "is ignored"}
				c := k.create()
				if got := b.stateOf(c.id).Annotations; len(got) != 2 || got["org.example.key"] != "value ü" {
					b.errorf("%q", got)
				}
				c.start()
				c.stop()
				c.delete()
			},
		}, {
			id: "annotations.emptyKey", of: "6.1 annotations", refused: "annotations",
			edit: func(k *bundle) { k.Annotations = map[string]string{"": "x"} },
		}, {
			id: "unknownFields", of: "6.1 annotations", // config.md, "Extensibility": ignored
			run: func(b *bench) {
				k := b.bundle()
				id := b.id()
				k.asks = []string{"ids"}
				k.save(id, "ask")
				text, err := os.ReadFile(k.dir + "/config.json")
				b.must(err)
				k.saveText(strings.Replace(string(text), `{`, `{"ofALaterVersion":{"x":[1]},`, 1))
				b.ok(k.args("run", id)...)
			},
		},
	}
}

// invalidRows: each is refused by an error with the field's path. What other tables have is not here again.
func invalidRows() []row {
	var rows []row
	refuse := func(section, path string, edit func(*bundle)) {
		id := "invalid." + path
		for i := 2; idTaken(rows, id); i++ {
			id = "invalid." + path + "." + string(rune('0'+i))
		}
		names := path
		if said := asRunc[path]; said != "" {
			names = said
		}
		rows = append(rows, row{id: id, of: section, refused: names, edit: edit})
	}
	process := func(section, path string, edit func(*specs.Process)) {
		refuse("6.1 process."+section, "process."+path, func(k *bundle) { edit(k.Process) })
	}
	process("args", "args", func(p *specs.Process) { p.Args = []string{} })
	process("args", "cwd", func(p *specs.Process) { p.Cwd = "relative" })
	process("args", "cwd", func(p *specs.Process) { p.Cwd = "" })
	process("user", "user.uid", func(p *specs.Process) { p.User.UID = math.MaxUint32 })
	process("user", "user.gid", func(p *specs.Process) { p.User.GID = math.MaxUint32 })
	process("user", "user.umask", func(p *specs.Process) { p.User.Umask = new(uint32(0o1777)) })
	process("user", "user.additionalGids[1]", func(p *specs.Process) { p.User.AdditionalGids = []uint32{1, math.MaxUint32} })
	process("rlimits", "rlimits[0].type", func(p *specs.Process) { p.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_DREAM"}} })
	process("rlimits", "rlimits[1].type", func(p *specs.Process) { p.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_CORE"}, {Type: "RLIMIT_CORE"}} })
	process("rlimits", "rlimits[0].soft", func(p *specs.Process) { p.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_CORE", Soft: 2, Hard: 1}} })
	process("oomScoreAdj", "oomScoreAdj", func(p *specs.Process) { p.OOMScoreAdj = new(1001) })
	process("scheduler", "scheduler.policy", func(p *specs.Process) { p.Scheduler = &specs.Scheduler{Policy: "SCHED_DREAM"} })
	process("scheduler", "scheduler.priority", func(p *specs.Process) { p.Scheduler = &specs.Scheduler{Policy: specs.SchedBatch, Priority: 5} })
	process("scheduler", "scheduler.priority", func(p *specs.Process) { p.Scheduler = &specs.Scheduler{Policy: specs.SchedFIFO, Priority: 100} })
	process("scheduler", "scheduler.nice", func(p *specs.Process) { p.Scheduler = &specs.Scheduler{Policy: specs.SchedOther, Nice: 20} })
	process("scheduler", "scheduler.runtime", func(p *specs.Process) {
		p.Scheduler = &specs.Scheduler{Policy: specs.SchedFIFO, Priority: 5, Runtime: 5}
	})
	process("scheduler", "scheduler.flags[0]", func(p *specs.Process) {
		p.Scheduler = &specs.Scheduler{Policy: specs.SchedOther, Flags: []specs.LinuxSchedulerFlag{"SCHED_FLAG_DREAM"}}
	})
	process("ioPriority", "ioPriority.class", func(p *specs.Process) { p.IOPriority = &specs.LinuxIOPriority{Class: "IOPRIO_CLASS_DREAM"} })
	process("ioPriority", "ioPriority.priority", func(p *specs.Process) {
		p.IOPriority = &specs.LinuxIOPriority{Class: specs.IOPRIO_CLASS_BE, Priority: 8}
	})
	process("execCPUAffinity", "execCPUAffinity.initial", func(p *specs.Process) { p.ExecCPUAffinity = &specs.CPUAffinity{Initial: "two"} })
	process("capabilities", "capabilities", func(p *specs.Process) {
		p.Capabilities = &specs.LinuxCapabilities{Effective: []string{"CAP_KILL"}, Bounding: []string{"CAP_KILL"}}
	})
	refuse("6.1 hostname", "hostname", func(k *bundle) { k.Hostname = strings.Repeat("x", 65) })
	refuse("6.4 personality", "linux.personality.domain", func(k *bundle) { k.Linux.Personality = &specs.LinuxPersonality{Domain: "LINUX128"} })
	refuse("6.4 personality", "linux.personality.flags", func(k *bundle) {
		k.Linux.Personality = &specs.LinuxPersonality{Domain: specs.PerLinux, Flags: []specs.LinuxPersonalityFlag{"NONE_IS_DEFINED"}}
	})
	refuse("6.4 memoryPolicy", "linux.memoryPolicy.mode", func(k *bundle) { k.Linux.MemoryPolicy = &specs.LinuxMemoryPolicy{Mode: "MPOL_DREAM"} })
	refuse("6.4 memoryPolicy", "linux.memoryPolicy.nodes", func(k *bundle) {
		k.Linux.MemoryPolicy = &specs.LinuxMemoryPolicy{Mode: specs.MpolBind, Nodes: "none"}
	})
	refuse("6.4 memoryPolicy", "linux.memoryPolicy.flags[0]", func(k *bundle) {
		k.Linux.MemoryPolicy = &specs.LinuxMemoryPolicy{Mode: specs.MpolBind, Nodes: "0", Flags: []specs.MemoryPolicyFlagType{"MPOL_F_DREAM"}}
	})
	for path, text := range map[string]string{
		"process.user.uid": `"process":{"user":{"uid":"root"},`, "mounts": `"mounts":{"x":1},"process":{`, "linux": `"linux":[],"process":{`,
	} {
		rows = append(rows, row{id: "invalid.json." + path, of: "6.5 errors", run: func(b *bench) {
			k := b.bundle()
			id := b.id()
			k.save(id, "ask")
			old, err := os.ReadFile(k.dir + "/config.json")
			b.must(err)
			k.saveText(strings.Replace(string(old), `"process":{`, text, 1))
			if r := b.fails(k.args("create", id)...); place.peer == "" && !strings.Contains(r.errs, path) {
				b.errorf("the error does not name %s: %q", path, r.errs)
			}
			b.fails("state", id)
		}})
	}
	return rows
}

// asRunc: errors that programs above know by runc's words.
var asRunc = map[string]string{"process.args": "args must not be empty", "process.cwd": "Cwd"}

func idTaken(rows []row, id string) bool {
	for _, r := range rows {
		if r.id == id {
			return true
		}
	}
	return false
}

func memoryPolicyRows() []row {
	policy := func(id string, p specs.LinuxMemoryPolicy, want string) row {
		return row{
			id: "memoryPolicy." + id, of: "6.4 memoryPolicy", alone: true, needs: needsNUMA,
			fields: []string{"linux.memoryPolicy.mode", "linux.memoryPolicy.nodes", "linux.memoryPolicy.flags"},
			edit:   func(k *bundle) { k.Linux.MemoryPolicy = &p },
			sees:   []sight{{"mempolicy", want}},
		}
	}
	flag := func(f ...specs.MemoryPolicyFlagType) specs.LinuxMemoryPolicy {
		return specs.LinuxMemoryPolicy{Mode: specs.MpolBind, Nodes: "0", Flags: f}
	}
	weighted := policy("weighted-interleave", specs.LinuxMemoryPolicy{Mode: specs.MpolWeightedInterleave, Nodes: "0"}, "0x6 0x1")
	weighted.needs = needsWeighted
	return []row{
		// numbers of linux/mempolicy.h
		policy("default", specs.LinuxMemoryPolicy{Mode: specs.MpolDefault}, "0x0 0x0"), policy("preferred", specs.LinuxMemoryPolicy{Mode: specs.MpolPreferred, Nodes: "0"}, "0x1 0x1"),
		policy("bind", specs.LinuxMemoryPolicy{Mode: specs.MpolBind, Nodes: "0-0"}, "0x2 0x1"), policy("interleave", specs.LinuxMemoryPolicy{Mode: specs.MpolInterleave, Nodes: "0"}, "0x3 0x1"),
		policy("local", specs.LinuxMemoryPolicy{Mode: specs.MpolLocal}, "0x4 0x0"), policy("preferred-many", specs.LinuxMemoryPolicy{Mode: specs.MpolPreferredMany, Nodes: "0"}, "0x5 0x1"),
		weighted,
		policy("flags.static", flag(specs.MpolFStaticNodes), "0x8002 0x1"), policy("flags.relative", flag(specs.MpolFRelativeNodes), "0x4002 0x1"),
		policy("flags.numa_balancing", flag(specs.MpolFNumaBalancing), "0x2002 0x1"),
	}
}

// needsNUMA: set_mempolicy(2), asked with a mode that nobody has.
func needsNUMA() string {
	if _, _, e := unix.Syscall(unix.SYS_SET_MEMPOLICY, 1000, 0, 0); e == unix.ENOSYS {
		return "this kernel has no NUMA"
	}
	return ""
}

func needsWeighted() string {
	if why := needsNUMA(); why != "" {
		return why
	}
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return err.Error()
	}
	if r := unix.ByteSliceToString(u.Release[:]); strings.HasPrefix(r, "5.") || strings.HasPrefix(r, "6.") && len(r) > 3 && r[3] == '.' && r[2] < '9' {
		return "Linux 6.9 has this mode first"
	}
	return ""
}

func appArmor() bool {
	text, err := os.ReadFile("/sys/module/apparmor/parameters/enabled")
	return err == nil && strings.HasPrefix(string(text), "Y")
}

func needsAppArmor() string {
	if !appArmor() {
		return "AppArmor is off"
	}
	return ""
}

func needsProfiles() string {
	if why := needsAppArmor(); why != "" {
		return why
	}
	if _, err := exec.LookPath("apparmor_parser"); err != nil {
		return "apparmor_parser is not installed"
	}
	return ""
}

// loadProfile loads one that forbids to write /forbidden, for as long as the row runs, and returns its name.
func (b *bench) loadProfile() string {
	name := fmt.Sprintf("crisp-conformance-%d-%d", os.Getpid(), count.Add(1))
	text := "profile " + name + ` flags=(attach_disconnected,mediate_deleted) {
  file,
  capability,
  network,
  signal,
  ptrace,
  deny /forbidden w,
}
`
	parser := func(verb string) error {
		cmd := exec.Command("apparmor_parser", "--skip-cache", verb)
		cmd.Stdin = strings.NewReader(text)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("apparmor_parser %s: %w: %s", verb, err, out)
		}
		return nil
	}
	b.must(parser("--replace"))
	b.cleanup(func() { b.must(parser("--remove")) })
	return name
}

func needsNoAppArmor() string {
	if appArmor() {
		return "AppArmor is on"
	}
	return ""
}

func seLinux() bool {
	_, err := os.Stat("/sys/fs/selinux/enforce")
	return err == nil
}

func needsSELinux() string {
	if !seLinux() {
		return "SELinux is off"
	}
	return ""
}

func needsNoSELinux() string {
	if seLinux() {
		return "SELinux is on"
	}
	return ""
}

const seLabel = "system_u:system_r:container_t:s0:c1,c2"

func labelRows() []row {
	profile := func(name string) func(*bundle) {
		return func(k *bundle) { k.Process.ApparmorProfile = name }
	}
	return []row{
		{
			id: "apparmorProfile", of: "6.1 process.labels", fields: []string{"process.apparmorProfile"}, needs: needsProfiles,
			run: func(b *bench) {
				name := b.loadProfile()
				k := b.bundle()
				k.inRootfs("/forbidden", "", 0o666)
				k.inRootfs("/other", "", 0o666)
				k.Process.ApparmorProfile = name
				sees := []sight{{"label", name + " (enforce)"}, {"write /forbidden x", "EACCES"}, {"write /other x", "ok"}}
				for _, s := range sees {
					k.asks = append(k.asks, s.ask)
				}
				c := k.create()
				row{sees: sees}.judge(b, c.start())
				row{sees: sees}.judge(b, c.exec(nil, k.asks...))
				k.Process.ApparmorProfile = ""
				other := k.create()
				row{sees: []sight{{"label", "unconfined"}, {"write /forbidden x", "ok"}}}.judge(b, other.start())
				row{sees: sees}.judge(b, other.exec([]string{"--apparmor", name}, k.asks...))
				for _, c := range []*container{c, other} {
					c.stop()
					c.delete()
				}
			},
		}, {
			id: "apparmorProfile.missing", of: "6.1 process.labels", needs: needsAppArmor, refused: "no-such-profile",
			edit: profile("no-such-profile"),
		}, {
			id: "apparmorProfile.off", of: "6.1 process.labels", needs: needsNoAppArmor, refused: "process.apparmorProfile",
			edit: profile("unconfined"),
		}, {
			id: "selinuxLabel", of: "6.1 process.labels", fields: []string{"process.selinuxLabel"}, needs: needsSELinux, alone: true,
			edit: func(k *bundle) { k.Process.SelinuxLabel = seLabel }, sees: []sight{{"label", seLabel}},
		}, {
			id: "selinuxLabel.off", of: "6.1 process.labels", needs: needsNoSELinux, refused: "process.selinuxLabel",
			edit: func(k *bundle) { k.Process.SelinuxLabel = seLabel },
		}, {
			id: "mountLabel", of: "6.4 mountLabel", fields: []string{"linux.mountLabel"}, needs: needsSELinux, alone: true,
			edit: func(k *bundle) { k.Linux.MountLabel = "system_u:object_r:container_file_t:s0:c1,c2" },
			sees: []sight{{"mount super /dev", `~context="?system_u:object_r:container_file_t:s0:c1,c2`}},
		}, {
			// runc and crun give the option only where SELinux is on, and so nothing happens.
			id: "mountLabel.off", of: "6.4 mountLabel", needs: needsNoSELinux, alone: true,
			edit: func(k *bundle) { k.Linux.MountLabel = "system_u:object_r:container_file_t:s0:c1,c2" },
			sees: []sight{{"mount super /dev", "!~context="}},
		},
	}
}

func needsResctrl() string {
	if _, err := os.Stat("/sys/fs/resctrl/schemata"); err != nil {
		return "no resctrl: this machine has no Intel RDT, or it is not mounted"
	}
	return ""
}

func needsNoResctrl() string {
	if needsResctrl() == "" {
		return "resctrl is mounted"
	}
	return ""
}

func rdtRows() []row {
	rdt := func(r specs.LinuxIntelRdt) func(*bundle) {
		return func(k *bundle) { k.Linux.IntelRdt = &r }
	}
	fields := []string{"closID", "schemata", "l3CacheSchema", "memBwSchema", "enableMonitoring"}
	for i, f := range fields {
		fields[i] = "linux.intelRdt." + f
	}
	return []row{
		{
			id: "intelRdt", of: "6.4 intelRdt", fields: fields, needs: needsResctrl,
			run: func(b *bench) {
				schemata, err := os.ReadFile("/sys/fs/resctrl/schemata")
				b.must(err)
				for _, r := range []specs.LinuxIntelRdt{
					{Schemata: strings.Split(strings.TrimSpace(string(schemata)), "\n"), EnableMonitoring: true},
					{L3CacheSchema: lineWith(string(schemata), "L3:"), MemBwSchema: lineWith(string(schemata), "MB:")},
				} {
					k := b.bundle()
					r.ClosID = "crisp-conformance"
					k.Linux.IntelRdt = &r
					c := k.create()
					if text, err := os.ReadFile(filepath.Join("/sys/fs/resctrl", r.ClosID, "tasks")); err != nil || len(text) == 0 {
						b.errorf("tasks: %q, %v", text, err)
					}
					c.start()
					c.stop()
					c.delete()
					if _, err := os.Stat(filepath.Join("/sys/fs/resctrl", r.ClosID)); err == nil {
						b.errorf("left behind: the group")
					}
				}
			},
		}, {
			id: "intelRdt.off", of: "6.4 intelRdt", needs: needsNoResctrl, refused: "linux.intelRdt",
			edit: rdt(specs.LinuxIntelRdt{ClosID: "crisp-conformance", L3CacheSchema: "L3:0=f"}),
		}, {
			id: "intelRdt.closID", of: "6.4 intelRdt", refused: "linux.intelRdt.closID",
			edit: rdt(specs.LinuxIntelRdt{ClosID: "../x", L3CacheSchema: "L3:0=f"}),
		}, {
			id: "intelRdt.schema", of: "6.4 intelRdt", refused: "linux.intelRdt",
			edit: rdt(specs.LinuxIntelRdt{MemBwSchema: "L3:0=f"}),
		},
	}
}

func lineWith(text, prefix string) string {
	for line := range strings.Lines(text) {
		if strings.HasPrefix(strings.TrimSpace(line), prefix) {
			return strings.TrimSpace(line)
		}
	}
	return ""
}
