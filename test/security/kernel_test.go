// SPDX-License-Identifier: Apache-2.0

package security

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

const (
	procMagic   = 0x9fa0
	devptsMagic = 0x1cd1
)

// TestSysctlsOfTheHostAreRefused: by name, by a path that leads elsewhere, or smuggled into the value of an innocent one (CVE-2022-0811).
// All values are what the host has already.
func TestSysctlsOfTheHostAreRefused(t *testing.T) {
	b := newBench(t)
	current := func(name string) string {
		text, _ := os.ReadFile("/proc/sys/" + strings.ReplaceAll(name, ".", "/"))
		return strings.TrimSpace(string(text))
	}
	core := current("kernel.core_pattern")
	for name, value := range map[string]string{
		"kernel.core_pattern": core, "kernel/core_pattern": core, "vm.overcommit_memory": current("vm.overcommit_memory"),
		"kernel.panic": current("kernel.panic"), "fs.file-max": current("fs.file-max"),
		"net/../kernel/core_pattern": core, "net.//...kernel.core_pattern": core, "net/ipv4/../../kernel/core_pattern": core,
		"fs.mqueue.../../../kernel/panic": current("kernel.panic"), "kernel.shm_rmid_forced+kernel.core_pattern": core,
		"kernel.shm_rmid_forced=0+kernel.core_pattern": core, "net.ipv4.ip_forward\x00": "0", "net.ipv4.ip_forward\nkernel.core_pattern": core,
	} {
		k := b.bundle("exit", "0")
		k.spec.Linux.Sysctl = map[string]string{name: value}
		if r := k.run(); r.code == 0 {
			t.Errorf("the sysctl %q was set", name)
		}
	}
	for _, value := range []string{"0+kernel.core_pattern=" + core, "0\nkernel.core_pattern=" + core, "0\x00"} {
		k := b.bundle("exit", "0")
		k.spec.Linux.Sysctl = map[string]string{"kernel.shm_rmid_forced": value}
		if r := k.run(); r.code == 0 && b.engine.ours {
			t.Errorf("the value %q was taken", value)
		}
	}
	if now := current("kernel.core_pattern"); now != core {
		t.Fatalf("the host's core_pattern is %q", now)
	}
}

// TestWritesToProcGoToTheKernel: a volume on /proc, or on what is written there, gets none of the engine's writes; and what is asked
// for holds, or is refused (CVE-2019-16884, CVE-2019-19921, CVE-2025-52881).
func TestWritesToProcGoToTheKernel(t *testing.T) {
	b := newBench(t)
	for _, at := range []string{"/proc", "/proc/sys", "/proc/sys/kernel"} {
		fake := b.make("fake-" + b.id())
		names := []string{"sys/kernel/shm_rmid_forced", "kernel/shm_rmid_forced", "shm_rmid_forced", "self/attr/exec", "thread-self/attr/exec", "self/oom_score_adj",
			"thread-self/attr/apparmor/exec", "self/attr/apparmor/exec"}
		for _, n := range names {
			b.file(filepath.Join(fake, n), "", 0o666)
		}
		k := b.bundle("look", "/proc/sys/kernel/shm_rmid_forced")
		k.spec.Linux.MaskedPaths, k.spec.Linux.ReadonlyPaths = nil, nil
		if at == "/proc" {
			k.without("/proc")
		}
		k.bind(fake, at)
		k.spec.Linux.Sysctl = map[string]string{"kernel.shm_rmid_forced": "1"}
		adj := 500
		k.spec.Process.OOMScoreAdj = &adj
		if on, _ := os.ReadFile("/sys/module/apparmor/parameters/enabled"); strings.HasPrefix(string(on), "Y") {
			k.spec.Process.ApparmorProfile = "unconfined" // a label that needs no policy, written as any is
		}
		r := k.run()
		for _, n := range names {
			if got := read(t, filepath.Join(fake, n)); got != "" {
				t.Errorf("a volume on %s: its file %s got %q (exit %d)", at, n, got, r.code)
			}
		}
	}
}

// TestMasksCoverWhatTheyShould: with a /dev/null of the image that leads to what should be masked, or is another device, masked paths are
// covered by the host's /dev/null or an empty directory all the same, as separate mounts (CVE-2025-31133).
func TestMasksCoverWhatTheyShould(t *testing.T) {
	b := newBench(t)
	masked := []string{"/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/sysrq-trigger", "/proc/sys/kernel/core_pattern", "/secret", "/sys/firmware"}
	for _, null := range []string{"", "/proc/sys/kernel/core_pattern", "/proc/kcore", "/secret", "device 1:1", "file"} {
		k := b.bundle(append([]string{"look", "/proc/self"}, masked...)...)
		k.spec.Linux.MaskedPaths = masked
		b.file(filepath.Join(k.rootfs, "secret"), "of the image", 0o644)
		if null != "" {
			k.without("/dev", "/dev/pts", "/dev/shm")
			plantNull(b, k.rootfs, null)
		}
		r := k.run()
		if r.code != 0 {
			if null == "" {
				t.Error(r)
			}
			continue // refused
		}
		v := r.report()
		for _, p := range masked {
			at := v.Paths[p]
			if at.Error != "" {
				continue
			}
			if at.Magic == procMagic || at.Mount == v.Paths["/proc/self"].Mount || at.Read != "" || at.Rdev != "1:3" && at.Rdev != "0:0" {
				t.Errorf("/dev/null of the image is %q: %s is not masked: %+v", null, p, at)
			}
		}
	}
}

func plantNull(b *bench, rootfs, what string) {
	b.Helper()
	if what == "file" {
		b.file(filepath.Join(rootfs, "dev/null"), "of the image", 0o666)
		return
	}
	if !strings.HasPrefix(what, "device") {
		plant(b, rootfs, "dev/null", what)
		return
	}
	path := filepath.Join(rootfs, "dev/null")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		b.Fatal(err)
	}
	if err := unix.Mknod(path, unix.S_IFCHR|0o666, int(unix.Mkdev(1, 1))); err != nil {
		b.Fatal(err)
	}
}

// TestReadOnlyPathsOfProcAreReadOnly is what an ordinary container relies on: neither core_pattern nor sysrq-trigger can be written.
func TestReadOnlyPathsOfProcAreReadOnly(t *testing.T) {
	b := newBench(t)
	paths := []string{"/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger", "/proc/irq/default_smp_affinity", "/sys/kernel/uevent_helper", "/sys/kernel/mm/ksm/run"}
	k := b.bundle(append([]string{"look"}, paths...)...)
	for p, at := range k.run().report().Paths {
		if at.Error == "" && at.Write == "" {
			t.Errorf("%s may be written", p)
		}
	}
}

// TestMountsStayInside: what a container mounts does not show up on the host, whose mounts are shared, as systemd makes them.
func TestMountsStayInside(t *testing.T) {
	b := newBench(t)
	before := read(t, "/proc/self/mountinfo")
	c := b.touching(b.make("shared")).create()
	if now := read(t, "/proc/self/mountinfo"); now != before {
		for l := range strings.Lines(now) {
			if !contains(before, l) {
				t.Errorf("on the host is mounted: %s", l)
			}
		}
	}
	c.delete()
}

// TestDevicesOfTheHostCannotBeOpened: a node of its disk or memory may be made, but the device cgroup forbids to open it.
func TestDevicesOfTheHostCannotBeOpened(t *testing.T) {
	b := newBench(t)
	for _, rules := range [][]specs.LinuxDeviceCgroup{nil, {{Allow: false, Access: "rwm"}}} {
		for _, d := range [][]string{{"c", "1", "1"}, {"c", "1", "2"}, {"c", "10", "237"}, {"b", "7", "0"}, {"b", "254", "0"}, {"c", "5", "3"}} {
			k := b.bundle(append([]string{"mknod"}, d...)...)
			k.spec.Linux.Resources.Devices = rules
			out := k.run().ok().out
			for l := range strings.Lines(out) {
				if strings.HasPrefix(l, "open ") && !contains(l, "not permitted") {
					t.Errorf("device %v, rules %v: %s", d, rules, strings.TrimSpace(l))
				}
			}
		}
	}
}

// TestCgroupsAreNoWayOut: release_agent is not to be seen, nothing of the container's cgroups can be written, and none can be mounted
// (CVE-2022-0492, CVE-2023-25809).
func TestCgroupsAreNoWayOut(t *testing.T) {
	b := newBench(t)
	for _, ns := range []bool{true, false} {
		k := b.bundle("cgroup")
		if !ns {
			last := len(k.spec.Linux.Namespaces) - 1
			k.spec.Linux.Namespaces = k.spec.Linux.Namespaces[:last]
		}
		for l := range strings.Lines(k.run().ok().out) {
			if !contains(l, "user namespace") {
				t.Errorf("cgroup namespace: %v: %s", ns, strings.TrimSpace(l))
			}
		}
	}
}

// TestConsoleIsATerminalOfItsOwn: with a /dev of the image whose pts, ptmx or console lead elsewhere, /dev/console is the container's own
// terminal all the same, or the container is refused (CVE-2025-52565).
func TestConsoleIsATerminalOfItsOwn(t *testing.T) {
	b := newBench(t)
	b.under = []string{"/proc/self/exe", terminalArg} // run hands the terminal's output on to one
	for _, c := range [][2]string{
		{"", ""}, {"dev/console", "/proc/sys/kernel/core_pattern"}, {"dev/console", "/proc/sysrq-trigger"}, {"dev/pts", "/proc"},
		{"dev/ptmx", "/proc/sysrq-trigger"}, {"dev/pts/ptmx", "/dev/null"}, {"dev/pts/ptmx", "/dev/pts/ptmx"}, {"dev/pts/0", "/proc/sys/kernel/core_pattern"},
	} {
		for _, pts := range []bool{true, false} {
			h := b.trap()
			k := b.bundle("look", "/dev/console", "/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger", "/proc/self")
			if c[0] != "" {
				plant(b, k.rootfs, c[0], c[1])
				k.without("/dev", "/dev/shm")
			}
			if !pts {
				k.without("/dev/pts")
			}
			k.spec.Process.Terminal = true
			what := fmt.Sprintf("%s leads to %s, own devpts: %v", c[0], c[1], pts)
			if r := k.run(); r.code == 0 && strings.HasPrefix(strings.TrimSpace(r.out), "{") {
				v := r.report()
				at := v.Paths["/dev/console"]
				if !pts && b.engine.ours {
					t.Errorf("%s: it got a terminal of the host", what)
				}
				link := strings.HasPrefix(at.Mode, "120") // the image's, which leads somewhere inside: what is there is looked at below
				if !link && (at.Magic != devptsMagic || !strings.HasPrefix(at.Rdev, "136:")) {
					t.Errorf("%s: /dev/console is %+v", what, at)
				}
				for _, p := range []string{"/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger"} {
					if got := v.Paths[p]; got.Magic == devptsMagic || got.Write == "" && got.Error == "" {
						t.Errorf("%s: %s is %+v", what, p, got)
					}
				}
				if v.Stdin.Magic != devptsMagic {
					t.Errorf("%s: stdin is %+v", what, v.Stdin)
				}
			} else if r.late {
				t.Errorf("%s: it hangs", what)
			} else if c[0] == "" && pts {
				t.Errorf("no container with a terminal: %v", r)
			}
			h.check(what)
		}
	}
}

// TestSeccompHoldsForEveryABI: what a profile of x86-64 forbids is not to be had by the numbers of x32, nor by int $0x80, nor by
// arguments whose upper half differs.
func TestSeccompHoldsForEveryABI(t *testing.T) {
	b := newBench(t)
	if unix.SYS_GETPID != 39 {
		t.Skip("x86-64 has these ABIs")
	}
	deny := func(arch ...specs.Arch) *bundle {
		errno := uint(unix.EXDEV)
		k := b.bundle("exit", "0")
		k.spec.Linux.Seccomp = &specs.LinuxSeccomp{
			DefaultAction: specs.ActAllow, Architectures: arch,
			Syscalls: []specs.LinuxSyscall{
				{Names: []string{"getppid"}, Action: specs.ActErrno, ErrnoRet: &errno},
				{Names: []string{"personality"}, Action: specs.ActErrno, ErrnoRet: &errno, Args: []specs.LinuxSeccompArg{{Index: 0, Value: 8, ValueTwo: 8, Op: specs.OpMaskedEqual}}},
			},
		}
		return k
	}
	const getppid, getppid32, personality = "110", "64", "135"
	for _, c := range []struct {
		archs []specs.Arch
		call  []string
	}{
		{[]specs.Arch{specs.ArchX86_64}, []string{"amd64", getppid}},
		{[]specs.Arch{specs.ArchX86_64}, []string{"x32", getppid}},
		{[]specs.Arch{specs.ArchX86_64}, []string{"i386", getppid32}},
		{[]specs.Arch{specs.ArchX86_64, specs.ArchX86, specs.ArchX32}, []string{"x32", getppid}},
		{[]specs.Arch{specs.ArchX86_64, specs.ArchX86, specs.ArchX32}, []string{"i386", getppid32}},
		{[]specs.Arch{specs.ArchX86_64}, []string{"amd64", personality, "8"}},
		{[]specs.Arch{specs.ArchX86_64}, []string{"amd64", personality, "0x100000008"}},
	} {
		k := deny(c.archs...)
		k.spec.Process.Args = append([]string{"/attacker", "call"}, c.call...)
		r := k.run()
		if r.code == 0 && !strings.HasPrefix(r.out, "-1 ") {
			t.Errorf("architectures %v: the call %v got through: %s", c.archs, c.call, r.out)
		}
	}
}
