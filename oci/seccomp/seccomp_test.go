// SPDX-License-Identifier: Apache-2.0

package seccomp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"testing"

	mobyseccomp "github.com/moby/profiles/seccomp"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// Numbers of x86-64.
const sysRead, sysOpen, sysClose, sysStat = 0, 2, 3, 4

var capabilitySets = map[string][]string{
	"none":    {},
	"default": {"CAP_CHOWN", "CAP_NET_RAW", "CAP_SYS_CHROOT", "CAP_SETUID"},
	"admin":   {"CAP_SYS_ADMIN"},
	"many": {
		"CAP_SYS_ADMIN", "CAP_SYS_MODULE", "CAP_SYS_PTRACE", "CAP_SYS_TIME", "CAP_BPF", "CAP_PERFMON", "CAP_SYS_BOOT",
		"CAP_DAC_READ_SEARCH", "CAP_SYS_NICE", "CAP_SYSLOG", "CAP_SYS_TTY_CONFIG", "CAP_SYS_RAWIO", "CAP_SYS_PACCT",
	},
}

func mobyDefault(t testing.TB, caps []string) *specs.LinuxSeccomp {
	t.Helper()
	p, err := mobyseccomp.GetDefaultProfile(&specs.Spec{
		Process: &specs.Process{Capabilities: &specs.LinuxCapabilities{Bounding: caps}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// retarget gives the profile another machine's architectures.
func retarget(p *specs.LinuxSeccomp, m machine) *specs.LinuxSeccomp {
	c := *p
	c.Architectures = []specs.Arch{m.native.name}
	for _, a := range m.foreign {
		c.Architectures = append(c.Architectures, a.name)
	}
	return &c
}

func (m machine) order() binary.ByteOrder {
	if m.native.big {
		return binary.BigEndian
	}
	return binary.LittleEndian
}

// audits are the architectures of the machine's ABIs, and some that it cannot have.
func (m machine) audits() []uint32 {
	all := []uint32{m.native.audit, unix.AUDIT_ARCH_I386, unix.AUDIT_ARCH_ARM, unix.AUDIT_ARCH_SPARC}
	for _, a := range m.foreign {
		if !slices.Contains(all, a.audit) {
			all = append(all, a.audit)
		}
	}
	return all
}

// check compares program and reference for all interesting numbers and arguments.
func check(t testing.TB, p *specs.LinuxSeccomp, m machine, prog Program) {
	t.Helper()
	filter := prog.filter(m)
	if err := validate(filter); err != nil {
		t.Fatal(err)
	}
	allArgs := interestingArgs(p)
	reference := newReference(p, m)
	conditional := conditionalNumbers(p, m)
	for _, arch := range m.audits() {
		for _, nr := range interestingNumbers(p, m) {
			args := allArgs
			if !conditional[nr] {
				args = args[:1]
			}
			for _, a := range args {
				c := call{nr: nr, arch: arch, args: a}
				got, err := run(filter, c.bytes(m.order()), m.order())
				if err != nil {
					t.Fatal(err)
				}
				if want := reference.evaluate(c); got != want {
					t.Fatalf("%s: call %d arch %#x args %#x: the program returns %#x, the profile says %#x",
						m.native.name, nr, arch, a, got, want)
				}
			}
		}
	}
}

func interestingNumbers(p *specs.LinuxSeccomp, m machine) []uint32 {
	set := map[uint32]bool{
		0: true, 1: true, 700: true, 1 << 20: true, x32Bit - 1: true, x32Bit: true, x32Bit + 700: true, x32Bit << 1: true,
		math.MaxUint32: true, math.MaxUint32 - 1: true, armPrivate - 1: true, armPrivate: true,
	}
	for _, s := range p.Syscalls {
		for _, name := range s.Names {
			for _, a := range append([]abi{m.native}, m.foreign...) {
				call := m.table.lookup(name)
				if call == nil {
					continue
				}
				if nr, ok := a.number(call); ok {
					set[nr-1], set[nr], set[nr+1] = true, true, true
				}
				if nr, _, ok := m.table.multiplexer().way(a, call); ok {
					set[nr] = true
				}
			}
		}
	}
	numbers := make([]uint32, 0, len(set))
	for nr := range set {
		numbers = append(numbers, nr)
	}
	slices.Sort(numbers)
	return numbers
}

// conditionalNumbers are those whose arguments can matter, on whatever ABI.
func conditionalNumbers(p *specs.LinuxSeccomp, m machine) map[uint32]bool {
	set := map[uint32]bool{}
	for _, s := range p.Syscalls {
		for _, name := range s.Names {
			call := m.table.lookup(name)
			for _, a := range append([]abi{m.native}, m.foreign...) {
				if call == nil {
					continue
				}
				if nr, ok := a.number(call); ok && len(s.Args) > 0 {
					set[nr] = true
				}
				if nr, _, ok := m.table.multiplexer().way(a, call); ok {
					set[nr] = true
				}
			}
		}
	}
	return set
}

// interestingArgs are the values of the profile's conditions, their neighbours, and those with another high half.
func interestingArgs(p *specs.LinuxSeccomp) [][maxArgs]uint64 {
	values := map[uint64]bool{0: true, 1: true, math.MaxUint64: true, math.MaxUint32: true, 1 << 32: true}
	for _, s := range p.Syscalls {
		for _, a := range s.Args {
			for _, v := range []uint64{a.Value, a.ValueTwo, a.Value & a.ValueTwo, ^a.Value, a.ValueTwo | ^a.Value} {
				values[v-1], values[v], values[v+1], values[v^1<<32], values[v^1<<63] = true, true, true, true, true
			}
		}
	}
	rng := rand.New(rand.NewPCG(1, 2))
	flat := make([]uint64, 0, len(values))
	for v := range values {
		flat = append(flat, v)
	}
	slices.Sort(flat)
	var all [][maxArgs]uint64
	for _, v := range flat {
		same := [maxArgs]uint64{v, v, v, v, v, v}
		mixed := same
		for i := range mixed {
			mixed[i] = flat[rng.IntN(len(flat))]
		}
		all = append(all, same, mixed)
	}
	return all
}

func TestDefaultProfileMeansWhatItSays(t *testing.T) {
	for arch, m := range machines {
		for name, caps := range capabilitySets {
			t.Run(arch+"/"+name, func(t *testing.T) {
				p := retarget(mobyDefault(t, caps), m)
				prog, err := compile(p, m)
				if err != nil {
					t.Fatal(err)
				}
				check(t, p, m, prog)
			})
		}
	}
}

func TestProgramsAreSmall(t *testing.T) {
	prog, err := compile(mobyDefault(t, nil), machines["amd64"])
	if err != nil {
		t.Fatal(err)
	}
	if n := len(prog.Bytes) / 8; n > 500 {
		t.Errorf("the default profile has %d instructions", n)
	}
}

func TestCallDecidedWithinTwentyInstructions(t *testing.T) {
	m := machines["amd64"]
	prog, err := compile(mobyDefault(t, nil), m)
	if err != nil {
		t.Fatal(err)
	}
	read := call{arch: m.native.audit}.bytes(binary.LittleEndian)
	if steps := countSteps(prog.filter(m), read); steps > 20 {
		t.Errorf("read(2) takes %d instructions", steps)
	}
}

// countSteps counts by cutting the program short with ever more returns: the interpreter has no counter of its own.
func countSteps(program []unix.SockFilter, data []byte) int {
	steps := 0
	for pc := range program {
		cut := slices.Clone(program)
		cut[pc] = unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: 0xdead}
		if a, err := run(cut, data, binary.LittleEndian); err == nil && a == 0xdead {
			steps++
		}
	}
	return steps
}

func errno(n uint) *uint { return &n }

func TestRules(t *testing.T) {
	const arch = unix.AUDIT_ARCH_X86_64
	allow, deny := action(unix.SECCOMP_RET_ALLOW), action(unix.SECCOMP_RET_ERRNO|action(unix.EPERM))
	arg := func(index uint, op specs.LinuxSeccompOperator, v ...uint64) specs.LinuxSeccompArg {
		return specs.LinuxSeccompArg{Index: index, Op: op, Value: v[0], ValueTwo: append(v, 0)[1]}
	}
	sys := func(name string, act specs.LinuxSeccompAction, args ...specs.LinuxSeccompArg) specs.LinuxSyscall {
		return specs.LinuxSyscall{Names: []string{name}, Action: act, Args: args}
	}
	type expect struct {
		call call
		want action
	}
	tests := map[string]struct {
		profile specs.LinuxSeccomp
		expect  []expect
	}{
		"unknown names are skipped": {
			specs.LinuxSeccomp{DefaultAction: specs.ActErrno, Syscalls: []specs.LinuxSyscall{
				{Names: []string{"no_such_call", "read"}, Action: specs.ActAllow},
			}},
			[]expect{{call{nr: sysRead, arch: arch}, allow}},
		},
		"a number above the highest name is ENOSYS, one below the default": {
			specs.LinuxSeccomp{DefaultAction: specs.ActErrno, Syscalls: []specs.LinuxSyscall{sys("close", specs.ActAllow)}},
			[]expect{
				{call{nr: sysRead, arch: arch}, deny}, {call{nr: sysClose, arch: arch}, allow},
				{call{nr: sysStat, arch: arch}, actionNoSys}, {call{nr: 10000, arch: arch}, actionNoSys},
			},
		},
		"no ENOSYS where the default allows": {
			specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Syscalls: []specs.LinuxSyscall{sys("close", specs.ActErrno)}},
			[]expect{{call{nr: 10000, arch: arch}, allow}, {call{nr: sysClose, arch: arch}, deny}},
		},
		"x32 and x86 are killed unless asked for": {
			specs.LinuxSeccomp{DefaultAction: specs.ActAllow},
			[]expect{
				{call{nr: x32Bit, arch: arch}, actionKill}, {call{nr: 1, arch: unix.AUDIT_ARCH_I386}, actionKill},
				{call{nr: noCall, arch: arch}, allow},
			},
		},
		"conditions on one argument are alternatives": {
			specs.LinuxSeccomp{DefaultAction: specs.ActErrno, Syscalls: []specs.LinuxSyscall{
				sys("close", specs.ActAllow, arg(0, specs.OpEqualTo, 1), arg(0, specs.OpEqualTo, 2)),
			}},
			[]expect{
				{call{nr: sysClose, arch: arch, args: [6]uint64{1}}, allow},
				{call{nr: sysClose, arch: arch, args: [6]uint64{2}}, allow},
				{call{nr: sysClose, arch: arch, args: [6]uint64{3}}, deny},
			},
		},
		"conditions on different arguments must all hold": {
			specs.LinuxSeccomp{DefaultAction: specs.ActErrno, Syscalls: []specs.LinuxSyscall{
				sys("close", specs.ActAllow, arg(0, specs.OpEqualTo, 1), arg(1, specs.OpMaskedEqual, 0xf0, 0x3f)),
			}},
			[]expect{
				{call{nr: sysClose, arch: arch, args: [6]uint64{1, 0x35}}, allow},
				{call{nr: sysClose, arch: arch, args: [6]uint64{1, 0x45}}, deny},
				{call{nr: sysClose, arch: arch, args: [6]uint64{2, 0x35}}, deny},
			},
		},
		"the first rule that matches counts, one without conditions before all": {
			specs.LinuxSeccomp{DefaultAction: specs.ActErrno, Syscalls: []specs.LinuxSyscall{
				sys("read", specs.ActTrap, arg(0, specs.OpGreaterThan, 5)), sys("read", specs.ActLog, arg(0, specs.OpGreaterThan, 3)),
				sys("close", specs.ActTrap, arg(0, specs.OpGreaterThan, 5)), sys("close", specs.ActAllow),
			}},
			[]expect{
				{call{nr: sysRead, arch: arch, args: [6]uint64{6}}, unix.SECCOMP_RET_TRAP},
				{call{nr: sysRead, arch: arch, args: [6]uint64{4}}, unix.SECCOMP_RET_LOG},
				{call{nr: sysRead, arch: arch, args: [6]uint64{3}}, deny},
				{call{nr: sysClose, arch: arch, args: [6]uint64{6}}, allow},
			},
		},
		"errnoRet is a rule's own": {
			specs.LinuxSeccomp{DefaultAction: specs.ActErrno, DefaultErrnoRet: errno(38), Syscalls: []specs.LinuxSyscall{
				{Names: []string{"close"}, Action: specs.ActErrno, ErrnoRet: errno(13)},
				{Names: []string{"open"}, Action: specs.ActTrace, ErrnoRet: errno(0xffff)},
			}},
			[]expect{
				{call{nr: sysClose, arch: arch}, unix.SECCOMP_RET_ERRNO | 13},
				{call{nr: sysOpen, arch: arch}, unix.SECCOMP_RET_TRACE | 0xffff},
				{call{nr: sysRead, arch: arch}, actionNoSys},
			},
		},
		"a ban of socket bans socketcall's": {
			specs.LinuxSeccomp{
				DefaultAction: specs.ActAllow, Architectures: []specs.Arch{specs.ArchX86},
				Syscalls: []specs.LinuxSyscall{sys("socket", specs.ActErrno, arg(0, specs.OpEqualTo, unix.AF_VSOCK))},
			},
			[]expect{
				{call{nr: 102, arch: unix.AUDIT_ARCH_I386, args: [6]uint64{1}}, deny},
				{call{nr: 102, arch: unix.AUDIT_ARCH_I386, args: [6]uint64{2}}, allow},
				{call{nr: 359, arch: unix.AUDIT_ARCH_I386, args: [6]uint64{unix.AF_INET}}, allow},
				{call{nr: 359, arch: unix.AUDIT_ARCH_I386, args: [6]uint64{unix.AF_VSOCK}}, deny},
			},
		},
		"a 64-bit argument counts as a whole": {
			specs.LinuxSeccomp{DefaultAction: specs.ActErrno, Architectures: []specs.Arch{specs.ArchX86}, Syscalls: []specs.LinuxSyscall{
				sys("close", specs.ActAllow, arg(5, specs.OpLessThan, 1<<33)),
			}},
			[]expect{
				{call{nr: sysClose, arch: arch, args: [6]uint64{5: 1<<33 - 1}}, allow},
				{call{nr: sysClose, arch: arch, args: [6]uint64{5: 1 << 33}}, deny},
			},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			m := machines["amd64"]
			prog, err := compile(&test.profile, m)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range test.expect {
				got, err := run(prog.filter(m), e.call.bytes(binary.LittleEndian), binary.LittleEndian)
				if err != nil || got != e.want {
					t.Errorf("%+v: %#x, %v; want %#x", e.call, got, err, e.want)
				}
			}
			check(t, &test.profile, m, prog)
		})
	}
}

func TestInvalidProfilesAreRefused(t *testing.T) {
	one := func(s specs.LinuxSyscall) *specs.LinuxSeccomp {
		s.Names = []string{"read"}
		return &specs.LinuxSeccomp{DefaultAction: specs.ActErrno, Syscalls: []specs.LinuxSyscall{s}}
	}
	tests := map[string]*specs.LinuxSeccomp{
		"no default action":     {},
		"unknown default":       {DefaultAction: "SCMP_ACT_DANCE"},
		"default notify":        {DefaultAction: specs.ActNotify},
		"unknown architecture":  {DefaultAction: specs.ActAllow, Architectures: []specs.Arch{"SCMP_ARCH_PDP11"}},
		"unknown flag":          {DefaultAction: specs.ActAllow, Flags: []specs.LinuxSeccompFlag{"SECCOMP_FILTER_FLAG_FAST"}},
		"unknown action":        one(specs.LinuxSyscall{Action: "allow"}),
		"errno that wraps to 0": one(specs.LinuxSyscall{Action: specs.ActErrno, ErrnoRet: errno(65536)}),
		"argument 6":            one(specs.LinuxSyscall{Action: specs.ActAllow, Args: []specs.LinuxSeccompArg{{Index: 6, Op: specs.OpEqualTo}}}),
		"unknown operator":      one(specs.LinuxSyscall{Action: specs.ActAllow, Args: []specs.LinuxSeccompArg{{Op: "=="}}}),
		"notify without path":   one(specs.LinuxSyscall{Action: specs.ActNotify}),
	}
	for name, p := range tests {
		if _, err := Compile(p); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Compile(nil); !errors.Is(err, ErrNoProfile) {
		t.Errorf("nil: %v", err)
	}
}

func TestFlags(t *testing.T) {
	tests := []struct {
		flags  []specs.LinuxSeccompFlag
		notify bool
		want   uint64
	}{
		{nil, false, unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW},
		{[]specs.LinuxSeccompFlag{}, false, 0},
		{[]specs.LinuxSeccompFlag{flagTsync, specs.LinuxSeccompFlagLog}, false, unix.SECCOMP_FILTER_FLAG_TSYNC | unix.SECCOMP_FILTER_FLAG_LOG},
		{[]specs.LinuxSeccompFlag{specs.LinuxSeccompFlagWaitKillableRecv}, false, 0},
		{
			[]specs.LinuxSeccompFlag{specs.LinuxSeccompFlagWaitKillableRecv, flagTsync}, true,
			unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV | unix.SECCOMP_FILTER_FLAG_NEW_LISTENER |
				unix.SECCOMP_FILTER_FLAG_TSYNC | unix.SECCOMP_FILTER_FLAG_TSYNC_ESRCH,
		},
	}
	for _, test := range tests {
		p := &specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Flags: test.flags}
		if test.notify {
			p.ListenerPath = "/run/agent.sock"
			p.Syscalls = []specs.LinuxSyscall{{Names: []string{"mkdir"}, Action: specs.ActNotify}}
		}
		prog, err := Compile(p)
		if err != nil || prog.Flags != test.want || (prog.Listener != nil) != test.notify {
			t.Errorf("%v: flags %#x, listener %v, %v; want %#x", test.flags, prog.Flags, prog.Listener, err, test.want)
		}
	}
}

// randomProfile has many rules on few calls, so that they overlap, and sometimes very many, so that jumps are long.
func randomProfile(rng *rand.Rand, m machine) *specs.LinuxSeccomp {
	actions := []specs.LinuxSeccompAction{
		specs.ActKill, specs.ActKillProcess, specs.ActTrap, specs.ActErrno, specs.ActTrace, specs.ActAllow, specs.ActLog,
	}
	ops := []specs.LinuxSeccompOperator{
		specs.OpEqualTo, specs.OpNotEqual, specs.OpGreaterEqual, specs.OpGreaterThan, specs.OpLessEqual, specs.OpLessThan, specs.OpMaskedEqual,
	}
	values := []uint64{0, 1, 2, 40, 1 << 31, 1<<32 - 1, 1 << 32, 1<<32 + 1, 1 << 63, math.MaxUint64}
	errnos := []*uint{nil, errno(1), errno(38), errno(4000)}
	p := &specs.LinuxSeccomp{DefaultAction: actions[rng.IntN(len(actions))], DefaultErrnoRet: errnos[rng.IntN(len(errnos))]}
	for _, a := range m.foreign {
		if rng.IntN(2) == 0 {
			p.Architectures = append(p.Architectures, a.name)
		}
	}
	pool := 1 + rng.IntN(len(m.table))
	for range rng.IntN(60) {
		s := specs.LinuxSyscall{Action: actions[rng.IntN(len(actions))], ErrnoRet: errnos[rng.IntN(len(errnos))]}
		for range 1 + rng.IntN(8) {
			s.Names = append(s.Names, m.table[rng.IntN(pool)].name)
		}
		for range rng.IntN(4) {
			s.Args = append(s.Args, specs.LinuxSeccompArg{
				Index: uint(rng.IntN(maxArgs)), Op: ops[rng.IntN(len(ops))],
				Value: values[rng.IntN(len(values))], ValueTwo: values[rng.IntN(len(values))],
			})
		}
		p.Syscalls = append(p.Syscalls, s)
	}
	return p
}

func TestRandomProfilesMeanWhatTheySay(t *testing.T) {
	rounds := 20
	if testing.Short() {
		rounds = 10
	}
	for seed := range uint64(rounds) {
		for arch, m := range machines {
			rng := rand.New(rand.NewPCG(seed, 7))
			p := randomProfile(rng, m)
			prog, err := compile(p, m)
			if errors.Is(err, ErrTooLarge) {
				continue
			}
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			if len(p.Syscalls) > 25 && seed%8 != 0 {
				continue // the reference is slow
			}
			t.Run(fmt.Sprint(arch, seed), func(t *testing.T) { check(t, p, m, prog) })
		}
	}
}

func TestLongJumpsReachTheirTargets(t *testing.T) {
	m := machines["amd64"]
	p := &specs.LinuxSeccomp{DefaultAction: specs.ActErrno, Architectures: []specs.Arch{specs.ArchX86}}
	for i := range 120 {
		p.Syscalls = append(p.Syscalls, specs.LinuxSyscall{
			Names: []string{"ioctl"}, Action: specs.ActErrno, ErrnoRet: errno(uint(i + 2)),
			Args: []specs.LinuxSeccompArg{{Index: 1, Op: specs.OpEqualTo, Value: uint64(i)}, {Index: 2, Op: specs.OpGreaterThan, Value: 1 << 40}},
		})
	}
	for i := range 60 {
		p.Syscalls = append(p.Syscalls, specs.LinuxSyscall{Names: []string{m.table[i*5+1].name}, Action: specs.ActErrno, ErrnoRet: errno(uint(200 + i))})
	}
	prog, err := compile(p, m)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(prog.Bytes) / 8; n < 1000 {
		t.Fatalf("%d instructions only", n)
	}
	check(t, p, m, prog)
}

func TestTooManyRulesAreAnError(t *testing.T) {
	p := &specs.LinuxSeccomp{DefaultAction: specs.ActErrno}
	for i := range 2000 {
		p.Syscalls = append(p.Syscalls, specs.LinuxSyscall{
			Names: []string{"ioctl"}, Action: specs.ActAllow,
			Args: []specs.LinuxSeccompArg{{Index: 1, Op: specs.OpEqualTo, Value: uint64(i)}},
		})
	}
	if _, err := Compile(p); !errors.Is(err, ErrTooLarge) {
		t.Error(err)
	}
}

func TestCompilerKeepsPrograms(t *testing.T) {
	c := NewCompiler()
	first, err := c.Compile(mobyDefault(t, nil))
	if err != nil {
		t.Fatal(err)
	}
	again, err := c.Compile(mobyDefault(t, nil))
	if err != nil || &again.Bytes[0] != &first.Bytes[0] {
		t.Errorf("an equal profile was compiled again (%v)", err)
	}
	changed := mobyDefault(t, nil)
	changed.Syscalls[0].ErrnoRet = errno(7)
	other, err := c.Compile(changed)
	if err != nil || &other.Bytes[0] == &first.Bytes[0] {
		t.Errorf("a changed profile got the old program (%v)", err)
	}
	for i := range uint(3 * maxPrograms) {
		if _, err := c.Compile(&specs.LinuxSeccomp{DefaultAction: specs.ActErrno, DefaultErrnoRet: errno(i)}); err != nil {
			t.Fatal(err)
		}
	}
	if len(c.programs) > maxPrograms {
		t.Errorf("%d programs are kept", len(c.programs))
	}
}

func TestKeysTellProfilesApart(t *testing.T) {
	profiles := []*specs.LinuxSeccomp{
		{}, {DefaultErrnoRet: errno(0)}, {Flags: []specs.LinuxSeccompFlag{}}, {ListenerPath: "/x"}, {ListenerMetadata: "/x"}, {Flags: []specs.LinuxSeccompFlag{"a"}},
		{Architectures: []specs.Arch{"a"}}, {Architectures: []specs.Arch{"a", "b"}}, {Architectures: []specs.Arch{"ab"}},
		{Syscalls: []specs.LinuxSyscall{{}}}, {Syscalls: []specs.LinuxSyscall{{Names: []string{"a"}}}},
		{Syscalls: []specs.LinuxSyscall{{Names: []string{"a"}}, {}}}, {Syscalls: []specs.LinuxSyscall{{Names: []string{"a", ""}}}},
		{Syscalls: []specs.LinuxSyscall{{Args: []specs.LinuxSeccompArg{{Value: 1}}}}},
		{Syscalls: []specs.LinuxSyscall{{Args: []specs.LinuxSeccompArg{{ValueTwo: 1}}}}},
		{Syscalls: []specs.LinuxSyscall{{Args: []specs.LinuxSeccompArg{{Index: 1}}}}},
	}
	seen := map[string]int{}
	for i, p := range profiles {
		key := string(appendKey(nil, p))
		if j, ok := seen[key]; ok {
			t.Errorf("profiles %d and %d have one key", i, j)
		}
		seen[key] = i
	}
}

// BenchmarkCompile compiles the default profile for all ABIs of a machine: three on amd64. The table is parsed each time, as in a program that
// makes one container.
func BenchmarkCompile(b *testing.B) {
	for _, goarch := range []string{"amd64", "arm64"} {
		b.Run(goarch, func(b *testing.B) {
			m := machines[goarch]
			text, err := os.ReadFile("tables/" + goarch + ".txt")
			if err != nil {
				b.Fatal(err)
			}
			p := retarget(mobyDefault(b, nil), m)
			var prog Program
			b.ReportAllocs()
			for b.Loop() {
				m.table = parseTable(string(text))
				if prog, err = compile(p, m); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(len(prog.Bytes)/8), "instructions")
		})
	}
}

func BenchmarkCompileCached(b *testing.B) {
	p := mobyDefault(b, nil)
	c := NewCompiler()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Compile(p); err != nil {
			b.Fatal(err)
		}
	}
}

func TestThisArchitectureIsKnown(t *testing.T) {
	if _, ok := machineOf(runtime.GOARCH); !ok {
		t.Skipf("no table for %s", runtime.GOARCH)
	}
	if _, err := Compile(mobyDefault(t, nil)); err != nil {
		t.Fatal(err)
	}
}
