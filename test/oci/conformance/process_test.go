// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

func TestProcess(t *testing.T) { verifyTables(t, "process") }

// processTables: what config.json says of the process, but for capabilities and the terminal.
func processTables() []table {
	return []table{
		{name: "an unprivileged user", base: asUser, rows: []row{
			{
				id: "process.args", of: "6.1 process.args", fields: []string{"process.args"},
				sees: []sight{{"args", `["/probe" "ask"]`}},
			}, {
				id: "process.env", of: "6.1 process.args", fields: []string{"process.env"},
				edit: func(k *bundle) { k.Process.Env = append(k.Process.Env, "FIRST=1", "EMPTY=", "SPACES=a  b", "ÄÖ=ü") },
				sees: []sight{
					{"env", "~^PATH=/ FIRST=1 EMPTY= SPACES=a  b ÄÖ=ü"}, {"env FIRST", "1"}, {"env EMPTY", ""},
					{"env CRISP_TEST_ISOLATED", "unset"}, // the runtime has it
				},
			}, {
				id: "process.cwd.made", of: "6.1 process.args", fields: []string{"process.cwd"},
				edit: func(k *bundle) { k.Process.Cwd = "/made/by/the/runtime" },
				sees: []sight{{"cwd", "/made/by/the/runtime"}, {"stat /made", "~^d 0755"}},
			}, {
				id: "process.user", of: "6.1 process.user", fields: []string{"process.user.uid", "process.user.gid"},
				sees: []sight{{"ids", "1000 1000 1000 1001 1001 1001"}, {"status Uid", "1000 1000 1000 1000"}, {"status Gid", "1001 1001 1001 1001"}},
			}, {
				id: "process.user.umask", of: "6.1 process.user", fields: []string{"process.user.umask"},
				edit: func(k *bundle) { k.Process.User.Umask = new(uint32(0o027)) },
				sees: []sight{{"umask", "0027"}},
			}, {
				id: "process.user.additionalGids", of: "6.1 process.user", fields: []string{"process.user.additionalGids"},
				edit: func(k *bundle) { k.Process.User.AdditionalGids = []uint32{1005, 5} },
				sees: []sight{{"groups", "5 1005"}},
			}, {
				id: "process.rlimits", of: "6.1 process.rlimits",
				fields: []string{"process.rlimits.type", "process.rlimits.hard", "process.rlimits.soft"},
				edit: func(k *bundle) {
					for name, l := range rlimits {
						k.Process.Rlimits = append(k.Process.Rlimits, specs.POSIXRlimit{Type: name, Soft: l.soft, Hard: l.hard})
					}
				},
				sees: limitSights(),
			}, {
				id: "process.noNewPrivileges", of: "6.1 process.noNewPrivileges", fields: []string{"process.noNewPrivileges"},
				edit: func(k *bundle) { k.Process.NoNewPrivileges = true },
				sees: []sight{{"status NoNewPrivs", "1"}},
			}, {
				id: "process.oomScoreAdj", of: "6.1 process.oomScoreAdj", fields: []string{"process.oomScoreAdj"},
				edit: func(k *bundle) { k.Process.OOMScoreAdj = new(500) },
				sees: []sight{{"read /proc/self/oom_score_adj", "500"}},
			}, {
				id: "process.scheduler.batch", of: "6.1 process.scheduler",
				fields: []string{"process.scheduler.policy", "process.scheduler.nice", "process.scheduler.flags"},
				edit: func(k *bundle) {
					k.Process.Scheduler = &specs.Scheduler{Policy: specs.SchedBatch, Nice: 5, Flags: []specs.LinuxSchedulerFlag{specs.SchedFlagResetOnFork}}
				},
				sees: []sight{{"sched", "~^policy=3 nice=5 priority=0 flags=0x1 "}},
			}, {
				id: "process.ioPriority", of: "6.1 process.ioPriority", fields: []string{"process.ioPriority.class", "process.ioPriority.priority"},
				edit: func(k *bundle) {
					k.Process.IOPriority = &specs.LinuxIOPriority{Class: specs.IOPRIO_CLASS_BE, Priority: 3}
				},
				sees: []sight{{"ioprio", "2 3"}},
			}, {
				id: "process.fds", of: "6.1 process.args",
				sees: []sight{{"fds", "0 1 2"}},
			}, {
				id: "process.keyring", of: "6.1 process.args", // both peers: a session keyring of its own, _ses.ID
				sees: []sight{{"keyring", "~^_ses"}},
			}, {
				id: "personality", of: "6.4 personality", fields: []string{"linux.personality.domain", "linux.personality.flags"},
				edit: func(k *bundle) { k.Linux.Personality = &specs.LinuxPersonality{Domain: specs.PerLinux32} },
				sees: []sight{{"personality", "0x8"}, {"machine", "~^(i686|armv8l)$"}},
			},
		}},
		{name: "root with nothing set", rows: []row{
			{
				id: "process.user.root", of: "6.1 process.user",
				sees: []sight{{"ids", "0 0 0 0 0 0"}, {"groups", "~^0?$"}, {"umask", "0022"}},
			}, {
				id: "process.defaults", of: "6.1 process.oomScoreAdj",
				sees: []sight{
					{"read /proc/self/oom_score_adj", ownFile("/proc/self/oom_score_adj")}, {"status NoNewPrivs", "0"},
					{"sched", "~^policy=0 "}, {"personality", "0x0"}, {"status Seccomp", "0"},
				},
			}, {
				id: "process.env.home", of: "6.1 process.args",
				edit: func(k *bundle) { k.inRootfs("/etc/passwd", "root:x:0:0::/the/home:/bin/sh\n", 0o644) },
				sees: []sight{{"env HOME", "/the/home"}},
			}, {
				id: "process.scheduler.idle", of: "6.1 process.scheduler",
				edit: func(k *bundle) { k.Process.Scheduler = &specs.Scheduler{Policy: specs.SchedIdle} }, alone: true,
				sees: []sight{{"sched", "~^policy=5 "}},
			}, {
				id: "process.scheduler.fifo", of: "6.1 process.scheduler", fields: []string{"process.scheduler.priority"}, needs: needsRealtime,
				edit: func(k *bundle) {
					allowRealtime(k)
					k.Process.Scheduler = &specs.Scheduler{Policy: specs.SchedFIFO, Priority: 7}
				}, alone: true,
				sees: []sight{{"sched", "~^policy=1 nice=0 priority=7 "}},
			}, {
				id: "process.scheduler.deadline", of: "6.1 process.scheduler", needs: needsDeadline,
				fields: []string{"process.scheduler.runtime", "process.scheduler.deadline", "process.scheduler.period"},
				edit: func(k *bundle) {
					// A thread with this policy makes others only when they do not inherit it.
					k.Process.Scheduler = &specs.Scheduler{
						Policy: specs.SchedDeadline, Runtime: 2e6, Deadline: 1e8, Period: 2e8,
						Flags: []specs.LinuxSchedulerFlag{specs.SchedFlagResetOnFork},
					}
				}, alone: true,
				sees: []sight{{"sched", "policy=6 nice=0 priority=0 flags=0x1 runtime=2000000 deadline=100000000 period=200000000"}},
			}, {
				id: "process.ioPriority.idle", of: "6.1 process.ioPriority",
				edit: func(k *bundle) { k.Process.IOPriority = &specs.LinuxIOPriority{Class: specs.IOPRIO_CLASS_IDLE} }, alone: true,
				sees: []sight{{"ioprio", "~^3 "}},
			}, {
				id: "process.cwd.symlink", of: "6.1 process.args",
				edit: func(k *bundle) {
					k.must(os.Symlink("/proc", k.rootfs+"/link"))
					k.Process.Cwd = "/link"
				},
				sees: []sight{{"cwd", "/proc"}}, alone: true,
			}, {
				id: "process.args.path", of: "6.1 process.args",
				run: func(b *bench) {
					k := b.bundle()
					k.inRootfs("/bin/other", "not a program", 0o644)
					b.must(os.Symlink("/probe", k.rootfs+"/bin/named"))
					k.Process.Env, k.Process.Args = []string{"PATH=/usr/bin:/bin"}, []string{"named", "exit", "4"}
					if r := k.try(); r.code != 4 {
						b.errorf("found by PATH: %v", r)
					}
				},
			},
		}},
	}
}

func asUser(k *bundle) {
	k.Process.User = specs.User{UID: 1000, GID: 1001}
	k.must(os.Chmod(k.rootfs, 0o755))
}

// rlimits that are lower than what any host of tests has, soft below hard but where Go's runtime raises the soft one (NOFILE).
var rlimits = map[string]struct {
	number     int
	soft, hard uint64
}{
	"RLIMIT_AS": {unix.RLIMIT_AS, 1 << 42, 1 << 43}, "RLIMIT_CORE": {unix.RLIMIT_CORE, 0, 4096}, "RLIMIT_CPU": {unix.RLIMIT_CPU, 3000, 4000},
	"RLIMIT_DATA": {unix.RLIMIT_DATA, 1 << 40, 1 << 41}, "RLIMIT_FSIZE": {unix.RLIMIT_FSIZE, 1 << 30, 1 << 31}, "RLIMIT_LOCKS": {unix.RLIMIT_LOCKS, 10, 20},
	"RLIMIT_MEMLOCK": {unix.RLIMIT_MEMLOCK, 4096, 8192}, "RLIMIT_MSGQUEUE": {unix.RLIMIT_MSGQUEUE, 1000, 2000}, "RLIMIT_NICE": {unix.RLIMIT_NICE, 0, 0},
	"RLIMIT_NOFILE": {unix.RLIMIT_NOFILE, 300, 300}, "RLIMIT_NPROC": {unix.RLIMIT_NPROC, 900, 1000}, "RLIMIT_RSS": {unix.RLIMIT_RSS, 1 << 40, 1 << 41},
	"RLIMIT_RTPRIO": {unix.RLIMIT_RTPRIO, 0, 0}, "RLIMIT_RTTIME": {unix.RLIMIT_RTTIME, 1 << 30, 1 << 31}, "RLIMIT_SIGPENDING": {unix.RLIMIT_SIGPENDING, 100, 200},
	"RLIMIT_STACK": {unix.RLIMIT_STACK, 1 << 20, 1 << 23},
}

func limitSights() []sight {
	var all []sight
	for _, l := range rlimits {
		all = append(all, sight{fmt.Sprint("rlimit ", l.number), fmt.Sprint(l.soft, l.hard)})
	}
	return all
}

// ownFile is a file as this process sees it, which is what a container inherits.
func ownFile(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(text))
}

func needsRealtime() string {
	if hasRealtimeGroups() {
		if why := needsRealtimeGroup(); why != "" {
			return why
		}
	}
	return tryPolicy(&unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: 1, Priority: 7})
}

func needsDeadline() string {
	return tryPolicy(&unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: 6, Flags: 1, Runtime: 2e6, Deadline: 1e8, Period: 2e8})
}

// tryPolicy asks for it on a thread that ends then.
func tryPolicy(a *unix.SchedAttr) string {
	err := make(chan error)
	go func() {
		lockForGood()
		err <- unix.SchedSetAttr(0, a, 0)
	}()
	if e := <-err; e != nil {
		return fmt.Sprintf("this host does not let root take scheduling policy %d: %v", a.Policy, e)
	}
	return ""
}

// hasRealtimeGroups: CONFIG_RT_GROUP_SCHED, on cgroup v1.
func hasRealtimeGroups() bool {
	_, err := os.Stat("/sys/fs/cgroup/cpu/cpu.rt_runtime_us")
	return err == nil
}

// needsRealtimeGroup: a cgroup at the top can have realtime, which others may have taken all.
func needsRealtimeGroup() string {
	if !hasRealtimeGroups() {
		return "this kernel has no realtime groups (CONFIG_RT_GROUP_SCHED)"
	}
	dir := fmt.Sprintf("/sys/fs/cgroup/cpu%s-try%d", place.cgroup, count.Add(1))
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err.Error()
	}
	defer os.Remove(dir)
	if err := os.WriteFile(dir+"/cpu.rt_runtime_us", []byte("30000"), 0); err != nil {
		return "other cgroups of this host have all realtime: " + err.Error()
	}
	return ""
}

// allowRealtime gives the cgroup time for it, where the kernel wants that (CONFIG_RT_GROUP_SCHED, cgroup v1): only a cgroup at the
// top can have some without its parent.
func allowRealtime(k *bundle) {
	if hasRealtimeGroups() {
		k.Linux.CgroupsPath = place.cgroup + "-rt"
		k.Linux.Resources.CPU = &specs.LinuxCPU{RealtimeRuntime: new(int64(10000)), RealtimePeriod: new(uint64(1000000))}
	}
}
