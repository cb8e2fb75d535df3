// SPDX-License-Identifier: Apache-2.0

package seccomp

import (
	goruntime "runtime"
	"slices"
	"strings"
	"testing"

	mobyseccomp "github.com/moby/profiles/seccomp"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// newer are calls of Linux 6.5 and later, which libseccomp 2.5 does not know: with them in a profile, what runc takes for its highest
// number depends on the library.
var newer = []string{
	"cachestat", "fchmodat2", "map_shadow_stack", "futex_wake", "futex_wait", "futex_requeue", "statmount", "listmount", "lsm_get_self_attr",
	"lsm_set_self_attr", "lsm_list_modules", "mseal", "setxattrat", "getxattrat", "listxattrat", "removexattrat", "open_tree_attr",
	"file_getattr", "file_setattr", "uretprobe", "uprobe",
}

// fieldsDefault is the default profile of Docker and containerd, without some calls.
func fieldsDefault(t testing.TB, without ...string) *specs.LinuxSeccomp {
	t.Helper()
	p, err := mobyseccomp.GetDefaultProfile(&specs.Spec{Process: &specs.Process{Capabilities: &specs.LinuxCapabilities{}}})
	if err != nil {
		t.Fatal(err)
	}
	return leaveOut(p, append(without, newer...)...)
}

func leaveOut(p *specs.LinuxSeccomp, names ...string) *specs.LinuxSeccomp {
	var rules []specs.LinuxSyscall
	for _, s := range p.Syscalls {
		s.Names = slices.DeleteFunc(slices.Clone(s.Names), func(n string) bool { return slices.Contains(names, n) })
		if len(s.Names) > 0 {
			rules = append(rules, s)
		}
	}
	p.Syscalls = rules
	return p
}

// newSince56 are calls of Linux 5.6 to 5.17: without them the highest that a profile names is openat2, 437.
var newSince56 = []string{
	"pidfd_getfd", "faccessat2", "process_madvise", "epoll_pwait2", "mount_setattr", "quotactl_fd", "landlock_create_ruleset", "landlock_add_rule",
	"landlock_restrict_self", "memfd_secret", "process_mrelease", "futex_waitv", "set_mempolicy_home_node",
}

func abis() []string {
	if goruntime.GOARCH == "amd64" {
		return []string{"native", "i386", "x32"}
	}
	return []string{"native"}
}

// TestEveryCallEndsAsWithRunc makes every call of every ABI of the machine with both runtimes, and compares the errors.
func TestEveryCallEndsAsWithRunc(t *testing.T) {
	needsRoot(t)
	if place.noRunc != "" {
		t.Skip(place.noRunc)
	}
	errno := func(e uint) *uint { return &e }
	everywhere := []specs.Arch{specs.ArchX86_64, specs.ArchX86, specs.ArchX32}
	with := func(p *specs.LinuxSeccomp, change func(*specs.LinuxSeccomp)) *specs.LinuxSeccomp { change(p); return p }
	for name, profile := range map[string]*specs.LinuxSeccomp{
		"default":                       fieldsDefault(t),
		"default of 2020":               fieldsDefault(t, newSince56...),
		"without foreign architectures": with(fieldsDefault(t), func(p *specs.LinuxSeccomp) { p.Architectures = nil }),
		"with x86 only":                 with(fieldsDefault(t, newSince56...), func(p *specs.LinuxSeccomp) { p.Architectures = []specs.Arch{specs.ArchX86} }),
		"default ENOSYS":                with(fieldsDefault(t, newSince56...), func(p *specs.LinuxSeccomp) { p.DefaultErrnoRet = errno(uint(unix.ENOSYS)) }),
		"default EXDEV":                 with(fieldsDefault(t, newSince56...), func(p *specs.LinuxSeccomp) { p.DefaultErrnoRet = errno(uint(unix.EXDEV)) }),
		"default allow": {
			DefaultAction: specs.ActAllow, Architectures: everywhere,
			Syscalls: []specs.LinuxSyscall{
				{Names: []string{"mkdir", "socket", "shmget", "pidfd_getfd"}, Action: specs.ActErrno, ErrnoRet: errno(uint(unix.EXDEV))},
				{Names: []string{"bind"}, Action: specs.ActErrno, Args: []specs.LinuxSeccompArg{{Index: 0, Op: specs.OpGreaterThan, Value: 4}}},
			},
		},
		"default log": {
			DefaultAction: specs.ActLog, Architectures: everywhere,
			Syscalls: []specs.LinuxSyscall{{Names: []string{"mkdir", "openat2"}, Action: specs.ActErrno}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, abi := range abis() {
				arch, foreign := map[string]specs.Arch{"i386": specs.ArchX86, "x32": specs.ArchX32}[abi]
				if foreign && !slices.Contains(profile.Architectures, arch) {
					continue // the first call kills a thread, which the others wait for: package oci/seccomp tests it
				}
				var out [2]result
				for i, r := range place.runtimes {
					b := newBench(t, r)
					dir, id := b.bundle(profile, nil, "calls", abi)
					out[i] = b.command("run", "--bundle", dir, id)
				}
				ours, theirs := out[0], out[1]
				if ours.code != 0 || theirs.code != 0 {
					t.Fatalf("%s: %v, with runc %v", abi, ours, theirs)
				}
				compare(t, abi, ours.out, theirs.out)
				if strings.Count(ours.out, "\n") < 500 {
					t.Errorf("%s: %d calls only", abi, strings.Count(ours.out, "\n"))
				}
			}
		})
	}
}

// compare names the calls that ended otherwise.
func compare(t *testing.T, abi, ours, theirs string) {
	t.Helper()
	a, b := strings.Split(ours, "\n"), strings.Split(theirs, "\n")
	if len(a) != len(b) {
		t.Fatalf("%s: %d calls and %d", abi, len(a), len(b))
	}
	for i := range a {
		if a[i] != b[i] {
			t.Errorf("%s: call %s, with runc %s", abi, a[i], b[i])
		}
	}
}

// TestUnknownCallsGetENOSYS: a call above all that a profile names is not known to it; one below is forbidden. Numbers from 424 on are the
// same for all architectures.
func TestUnknownCallsGetENOSYS(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		for name, c := range map[string]struct {
			profile *specs.LinuxSeccomp
			calls   string // of Linux 5.10 and earlier, with -1 for all arguments: another error if the kernel is asked
			want    string
		}{
			"of 2020":      {fieldsDefault(t, newSince56...), "425 437 438 439 440 500 599", "EPERM E2BIG ENOSYS ENOSYS ENOSYS ENOSYS ENOSYS"},
			"one is named": {addCall(fieldsDefault(t, newSince56...), "process_madvise"), "438 439 440 441 599", "EPERM EPERM EINVAL ENOSYS ENOSYS"},
			"newest":       {fieldsDefault(t), "425 438 439 599", "EPERM EPERM EINVAL ENOSYS"},
		} {
			for _, abi := range abis() {
				if abi == "x32" { // has numbers of its own from 512 on, by which all below are known
					continue
				}
				got := b.run(c.profile, nil, append([]string{"call", abi}, strings.Fields(c.calls)...)...)
				want := ""
				for i, nr := range strings.Fields(c.calls) {
					want += nr + " " + strings.Fields(c.want)[i] + "\n"
				}
				if got != want {
					t.Errorf("%s, %s: %q, not %q", name, abi, got, want)
				}
			}
		}
	})
}

func addCall(p *specs.LinuxSeccomp, name string) *specs.LinuxSeccomp {
	p.Syscalls = append(p.Syscalls, specs.LinuxSyscall{Names: []string{name}, Action: specs.ActErrno, ErrnoRet: p.DefaultErrnoRet})
	p.Syscalls = append(p.Syscalls, specs.LinuxSyscall{Names: []string{name}, Action: specs.ActAllow})
	return p
}

// TestOldWaysInAreGoverned: on i386 socket(2) and shmget(2) are also reached by socketcall(2) and ipc(2).
func TestOldWaysInAreGoverned(t *testing.T) {
	if goruntime.GOARCH != "amd64" {
		t.Skip("i386 calls are made on amd64")
	}
	errno := uint(unix.EXDEV)
	each(t, func(t *testing.T, b *bench) {
		profile := &specs.LinuxSeccomp{
			DefaultAction: specs.ActAllow, Architectures: []specs.Arch{specs.ArchX86},
			Syscalls: []specs.LinuxSyscall{{Names: []string{"socket", "accept4", "shmget", "msgsnd"}, Action: specs.ActErrno, ErrnoRet: &errno}},
		}
		const socketcall, ipc = "102", "117"
		calls := []string{
			socketcall + ":1", socketcall + ":18", socketcall + ":2", ipc + ":23", ipc + ":11", ipc + ":1", "359", "364", "361",
		}
		want := []string{"EXDEV", "EXDEV", "EFAULT", "EXDEV", "EXDEV", "", "EXDEV", "EXDEV", "EBADF"}
		got := strings.Split(b.run(profile, nil, append([]string{"call", "i386"}, calls...)...), "\n")
		for i, c := range calls {
			if w := want[i]; w != "" && got[i] != c+" "+w {
				t.Errorf("%s, want %s", got[i], w)
			} else if w == "" && strings.HasSuffix(got[i], "EXDEV") {
				t.Errorf("%s is forbidden", got[i])
			}
		}
	})
}
