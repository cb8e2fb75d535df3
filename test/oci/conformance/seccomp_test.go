// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"runtime"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

func TestSeccomp(t *testing.T) { verifyTables(t, "seccomp") }

// filter is one that allows all but what rules say.
func filter(rules ...specs.LinuxSyscall) *specs.LinuxSeccomp {
	return &specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Syscalls: rules}
}

func withFilter(f *specs.LinuxSeccomp) func(*bundle) {
	return func(k *bundle) { k.Linux.Seccomp = f }
}

func on(action specs.LinuxSeccompAction, names ...string) specs.LinuxSyscall {
	return specs.LinuxSyscall{Names: names, Action: action}
}

func errno(n uint, rule specs.LinuxSyscall, args ...specs.LinuxSeccompArg) specs.LinuxSyscall {
	rule.ErrnoRet, rule.Args = &n, args
	return rule
}

// operators are tried on the first argument of getpriority(2), whose second is 0: the class, which the kernel takes to be 0 to 2. The
// filter answers EDOM (33).
var operators = []struct {
	id              string
	op              specs.LinuxSeccompOperator
	value, valueTwo uint64
	hit, miss       string
}{
	{"ne", specs.OpNotEqual, 1, 0, "0", "1"}, {"lt", specs.OpLessThan, 1, 0, "0", "1"}, {"le", specs.OpLessEqual, 1, 0, "1", "2"},
	{"eq", specs.OpEqualTo, 1, 0, "1", "0"}, {"ge", specs.OpGreaterEqual, 1, 0, "1", "0"}, {"gt", specs.OpGreaterThan, 1, 0, "2", "1"},
	{"masked_eq", specs.OpMaskedEqual, 6, 2, "3", "1"}, // the mask is the value, what is left of it the second
}

// wide compares all 64 bits, signed numbers too.
const wide = 0x1_0000_0001

func seccompTables() []table {
	rows := []row{}
	for _, o := range operators {
		rows = append(rows, row{
			id: "seccomp.op." + o.id, of: "6.4 seccomp", alone: true,
			fields: []string{"linux.seccomp.syscalls.args.index", "linux.seccomp.syscalls.args.value", "linux.seccomp.syscalls.args.valueTwo", "linux.seccomp.syscalls.args.op"},
			edit: withFilter(filter(errno(uint(unix.EDOM), on(specs.ActErrno, "getpriority"),
				specs.LinuxSeccompArg{Index: 0, Value: o.value, ValueTwo: o.valueTwo, Op: o.op}))),
			sees: []sight{{"call getpriority " + o.hit + " 0", "EDOM"}, {"call getpriority " + o.miss + " 0", "~^(ok|ESRCH|EINVAL)$"}},
		})
	}
	arg := func(index uint, value uint64) specs.LinuxSeccompArg {
		return specs.LinuxSeccompArg{Index: index, Value: value, Op: specs.OpEqualTo}
	}
	// Calls that only the filter can make fail so.
	actions := filter(
		errno(uint(unix.EDOM), on(specs.ActErrno, "getpgid")), on(specs.ActErrno, "getsid"), on(specs.ActKillProcess, "kexec_load"),
		on(specs.ActTrap, "swapon"), on(specs.ActLog, "sync"), errno(1234, on(specs.ActTrace, "acct")), on(specs.ActKillThread, "tee"),
		on(specs.ActKill, "vmsplice"),
		errno(uint(unix.EDOM), on(specs.ActErrno, "mincore"), arg(1, wide)), errno(uint(unix.ERANGE), on(specs.ActErrno, "getitimer"), arg(0, 7), arg(1, 9)),
		on(specs.ActErrno, "a_call_of_a_later_kernel"),
	)
	action := func(id, field, ask, want string) row {
		return row{id: "seccomp." + id, of: "6.4 seccomp", fields: strings.Fields(field), sees: []sight{{ask, want}}}
	}
	prefix := "linux.seccomp."
	shared := []row{
		action("mode", prefix+"syscalls.names "+prefix+"syscalls.action "+prefix+"defaultAction", "status Seccomp", "2"),
		action("action.errno", prefix+"syscalls.errnoRet", "call getpgid 0", "EDOM"),
		action("errno.default", "", "call getsid 0", "EPERM"),
		action("action.kill_process", "", "child call kexec_load", "killed: bad system call"),
		action("action.trap", "", "child call swapon", "~^caught: SIGSYS"),
		action("action.kill_thread", "", "thread tee", "ended"),
		action("action.kill", "", "thread vmsplice", "ended"),
		action("action.log", "", "call sync", "ok"),
		action("action.allow", "", "call getpriority 0 0", "ok"),
		action("action.trace", "", "trace call acct 0", "message 1234"),
		action("action.trace.untraced", "", "call acct 0", "ENOSYS"),
		action("args.wide", "", "call mincore 0 0x100000001 0", "EDOM"),
		action("args.wide.not", "", "call mincore 0 1 0", "~^(ENOMEM|EFAULT)$"),
		action("args.both", "", "call getitimer 7 9", "ERANGE"),
		action("args.both.not", "", "call getitimer 7 8", "EINVAL"),
		action("unknownName", "", "call personality 0xffffffff", "ok"),
	}
	return []table{
		{name: "actions without new privileges", base: func(k *bundle) { k.Linux.Seccomp = actions; k.Process.NoNewPrivileges = true }, rows: shared},
		{name: "filters", rows: append(rows, filterRows()...)},
		{name: "filters after privileges", base: withFilter(actions), rows: []row{
			{id: "seccomp.privileged", of: "6.4 seccomp", sees: []sight{{"status Seccomp", "2"}, {"call getpgid 0", "EDOM"}, {"status NoNewPrivs", "0"}}},
		}},
	}
}

// needed is all that Go's runtime and the probe call.
var needed = []string{
	"read", "write", "close", "openat", "fstat", "newfstatat", "lseek", "mmap", "mprotect", "munmap", "brk", "rt_sigaction", "rt_sigprocmask",
	"rt_sigreturn", "ioctl", "pread64", "readv", "access", "pipe2", "sched_yield", "mremap", "madvise", "nanosleep", "getpid", "clone", "clone3", "execve",
	"exit", "exit_group", "uname", "fcntl", "getdents64", "getcwd", "chdir", "readlink", "readlinkat", "gettid", "futex", "sched_getaffinity", "set_tid_address",
	"set_robust_list", "epoll_create1", "epoll_ctl", "epoll_pwait", "eventfd2", "prlimit64", "getrandom", "arch_prctl", "sigaltstack", "tgkill", "kill",
	"timer_create", "timer_settime", "timer_delete", "rseq", "prctl", "capget", "capset", "clock_gettime", "restart_syscall", "wait4", "waitid", "pidfd_open",
	"pidfd_send_signal", "setsid", "dup3", "fchdir", "faccessat2", "statx", "setitimer", "getuid", "geteuid", "getgid", "getegid", "getresuid", "getresgid",
	"setresuid", "setresgid", "setgroups", "seccomp", "getppid", "execveat", "openat2", "close_range", "umask", "recvmsg", "sendmsg", "sendto", "poll", "ppoll",
	"accept4", "socket", "bind", "listen", "fchmod", "fchown", "setxattr", "personality", "stat", "lstat", "open", "statfs", "fstatfs", "setuid", "setgid",
}

func filterRows() []row {
	flags := func(all ...specs.LinuxSeccompFlag) *specs.LinuxSeccomp {
		f := filter(errno(uint(unix.EDOM), on(specs.ActErrno, "getpgid")))
		f.Flags = all
		return f
	}
	native := map[string]specs.Arch{"amd64": specs.ArchX86_64, "arm64": specs.ArchAARCH64}[runtime.GOARCH]
	edom := sight{"call getpgid 0", "EDOM"}
	allowList := filter(on(specs.ActAllow, needed...))
	allowList.DefaultAction, allowList.DefaultErrnoRet = specs.ActErrno, new(uint(unix.ENOANO))
	forNative := *allowList
	forNative.Architectures = []specs.Arch{native}
	architectures := flags()
	architectures.Architectures = []specs.Arch{native, specs.ArchX86, specs.ArchX32}
	refuse := func(id, names string, f *specs.LinuxSeccomp) row {
		return row{id: "seccomp.refused." + id, of: "6.4 seccomp", refused: names, edit: withFilter(f)}
	}
	wrongArch := flags()
	wrongArch.Architectures = []specs.Arch{"SCMP_ARCH_PDP11"}
	wrongDefault := flags()
	wrongDefault.DefaultAction = "SCMP_ACT_DREAM"
	return []row{
		{
			id: "seccomp.default.errno", of: "6.4 seccomp", fields: []string{"linux.seccomp.defaultErrnoRet", "linux.seccomp.defaultAction"}, alone: true,
			edit: withFilter(allowList), sees: []sight{{"call sync", "ENOANO"}, {"call getsid 0", "ENOANO"}, {"ids", "0 0 0 0 0 0"}},
		}, {
			id: "seccomp.newerCalls", of: "6.4 seccomp", alone: true, // a program finds out that they are not there, as runc has it
			edit: withFilter(&forNative), sees: []sight{{"call 10000", "ENOSYS"}, {"call sync", "ENOANO"}},
		}, {
			id: "seccomp.flags.log", of: "6.4 seccomp", fields: []string{"linux.seccomp.flags"}, alone: true,
			edit: withFilter(flags(specs.LinuxSeccompFlagLog)), sees: []sight{edom},
		}, {
			id: "seccomp.flags.spec_allow", of: "6.4 seccomp", alone: true,
			edit: withFilter(flags(specs.LinuxSeccompFlagSpecAllow)), sees: []sight{edom, {"status Speculation_Store_Bypass", "!~force"}},
		}, {
			id: "seccomp.flags.tsync", of: "6.4 seccomp", alone: true,
			edit: withFilter(flags("SECCOMP_FILTER_FLAG_TSYNC")), sees: []sight{edom},
		}, {
			id: "seccomp.flags.none", of: "6.4 seccomp", alone: true,
			edit: withFilter(flags([]specs.LinuxSeccompFlag{}...)), sees: []sight{edom},
		}, {
			id: "seccomp.architectures", of: "6.4 seccomp", fields: []string{"linux.seccomp.architectures"}, alone: true, needs: needsAMD64,
			edit: withFilter(architectures), sees: []sight{edom},
		},
		{
			id: "seccomp.action.notify", of: "6.4 seccomp", fields: []string{"linux.seccomp.listenerPath", "linux.seccomp.listenerMetadata"},
			run: func(b *bench) { notify(b) },
		},
		{
			id: "seccomp.flags.wait_killable_recv", of: "6.4 seccomp", // only with a listener
			run: func(b *bench) { notify(b, specs.LinuxSeccompFlagWaitKillableRecv) },
		},
		{
			id: "seccomp.notify.noListener", of: "6.4 seccomp", refused: "listener",
			edit: func(k *bundle) {
				f := filter(on(specs.ActNotify, "getpgid"))
				f.ListenerPath = k.path("nobody.sock")
				k.Linux.Seccomp = f
			},
		},
		{
			id: "seccomp.exec", of: "6.4 seccomp", // what is executed later has it too
			run: func(b *bench) {
				k := b.bundle()
				k.Linux.Seccomp = flags()
				c := k.create()
				c.start()
				if got := c.exec(nil, "call getpgid 0")["call getpgid 0"]; got != "EDOM" {
					b.errorf("exec: %s", got)
				}
				c.stop()
				c.delete()
			},
		},
		refuse("action", "syscalls[0]", filter(on("SCMP_ACT_DREAM", "getpgid"))),
		refuse("defaultAction", "defaultAction", wrongDefault),
		refuse("architecture", "linux.seccomp", wrongArch),
		refuse("flag", "linux.seccomp", flags("SECCOMP_FILTER_FLAG_DREAM")),
		refuse("operator", "syscalls[0]", filter(errno(1, on(specs.ActErrno, "getpgid"), specs.LinuxSeccompArg{Op: "SCMP_CMP_DREAM"}))),
		refuse("index", "syscalls[0]", filter(errno(1, on(specs.ActErrno, "getpgid"), specs.LinuxSeccompArg{Index: 6, Op: specs.OpEqualTo}))),
		refuse("names", "syscalls[0]", filter(on(specs.ActErrno))),
	}
}

func needsAMD64() string {
	if runtime.GOARCH != "amd64" {
		return "it is about the ABIs of amd64"
	}
	return ""
}
