// SPDX-License-Identifier: Apache-2.0

package seccomp

import (
	"bufio"
	"fmt"
	"io"
	"math/bits"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// libseccomp is the real library, in a process of its own. runc and crun compile by it, so where it says something else than
// this package, and doc.go does not say why, this package is wrong.
type libseccomp struct {
	t   testing.TB
	in  io.Writer
	out *bufio.Scanner
}

// tokens are SCMP_ARCH_*.
var tokens = map[specs.Arch]uint32{
	specs.ArchX86_64: unix.AUDIT_ARCH_X86_64, specs.ArchX86: unix.AUDIT_ARCH_I386, specs.ArchX32: 0x4000003e,
	specs.ArchAARCH64: unix.AUDIT_ARCH_AARCH64, specs.ArchARM: unix.AUDIT_ARCH_ARM, specs.ArchRISCV64: unix.AUDIT_ARCH_RISCV64,
	specs.ArchPPC: unix.AUDIT_ARCH_PPC, specs.ArchPPC64: unix.AUDIT_ARCH_PPC64, specs.ArchPPC64LE: unix.AUDIT_ARCH_PPC64LE,
	specs.ArchS390: unix.AUDIT_ARCH_S390, specs.ArchS390X: unix.AUDIT_ARCH_S390X,
	specs.ArchMIPS: unix.AUDIT_ARCH_MIPS, specs.ArchMIPSEL: unix.AUDIT_ARCH_MIPSEL,
	specs.ArchMIPS64: unix.AUDIT_ARCH_MIPS64, specs.ArchMIPSEL64: unix.AUDIT_ARCH_MIPSEL64,
	specs.ArchMIPS64N32: unix.AUDIT_ARCH_MIPS64N32, specs.ArchMIPSEL64N32: unix.AUDIT_ARCH_MIPSEL64N32,
}

var operators = map[specs.LinuxSeccompOperator]int{
	specs.OpNotEqual: 1, specs.OpLessThan: 2, specs.OpLessEqual: 3, specs.OpEqualTo: 4, specs.OpGreaterEqual: 5, specs.OpGreaterThan: 6,
	specs.OpMaskedEqual: 7,
}

func newLibseccomp(t testing.TB) *libseccomp {
	t.Helper()
	driver := filepath.Join(t.TempDir(), "libseccomp")
	if out, err := exec.Command("gcc", "-o", driver, "testdata/libseccomp.c", "-ldl").CombinedOutput(); err != nil {
		t.Skipf("gcc: %v %s", err, out)
	}
	if err := exec.Command(driver).Run(); err != nil {
		t.Skip("libseccomp.so.2 is not there")
	}
	cmd := exec.Command(driver)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("driver: %v %s", err, stderr.String())
		}
	})
	return &libseccomp{t: t, in: in, out: bufio.NewScanner(out)}
}

func (l *libseccomp) send(format string, args ...any) {
	l.t.Helper()
	if _, err := fmt.Fprintf(l.in, format+"\n", args...); err != nil {
		l.t.Fatal(err)
	}
}

func (l *libseccomp) line() string {
	l.t.Helper()
	if !l.out.Scan() {
		l.t.Fatal("the driver ended")
	}
	return l.out.Text()
}

func (l *libseccomp) resolve(arch specs.Arch, name string) int64 {
	l.send("resolve %x %s", tokens[arch], name)
	n, err := strconv.ParseInt(l.line(), 10, 64)
	if err != nil {
		l.t.Fatal(err)
	}
	return n
}

// compile has the library compile the profile, with runc's treatment of equal actions and repeated arguments.
func (l *libseccomp) compile(p *specs.LinuxSeccomp, m machine) []unix.SockFilter {
	byDefault := mustAction(p.DefaultAction, p.DefaultErrnoRet)
	l.send("init %x", uint32(byDefault))
	l.send("arch %x", tokens[m.native.name])
	for _, a := range p.Architectures {
		l.send("arch %x", tokens[a])
	}
	for _, s := range p.Syscalls {
		act := mustAction(s.Action, s.ErrnoRet)
		if act == byDefault {
			continue
		}
		for _, name := range s.Names {
			var b strings.Builder
			for _, a := range s.Args {
				fmt.Fprintf(&b, " %d %d %x %x", a.Index, operators[a.Op], a.Value, a.ValueTwo)
			}
			l.send("rule %x %s %d%s", uint32(act), name, len(s.Args), b.String())
		}
	}
	l.send("export")
	var program []unix.SockFilter
	for line := l.line(); line != "end"; line = l.line() {
		var i unix.SockFilter
		if _, err := fmt.Sscanf(line, "%x %x %x %x", &i.Code, &i.Jt, &i.Jf, &i.K); err != nil {
			l.t.Fatal(line, err)
		}
		if m.native.big { // it writes for the machine that it compiles for, and the driver reads as this one
			i.Code, i.K = bits.ReverseBytes16(i.Code), bits.ReverseBytes32(i.K)
			if i.Code == unix.BPF_RET|unix.BPF_K && !isAction(i.K) { // returns that it puts between long jumps are not turned round (2.5.4)
				i.K = bits.ReverseBytes32(i.K)
			}
		}
		program = append(program, i)
	}
	return program
}

func isAction(k uint32) bool {
	switch k & unix.SECCOMP_RET_ACTION_FULL {
	case unix.SECCOMP_RET_KILL_THREAD:
		return k == 0
	case unix.SECCOMP_RET_ALLOW, unix.SECCOMP_RET_ERRNO, unix.SECCOMP_RET_KILL_PROCESS, unix.SECCOMP_RET_LOG, unix.SECCOMP_RET_TRACE,
		unix.SECCOMP_RET_TRAP, unix.SECCOMP_RET_USER_NOTIF:
		return true
	}
	return false
}

func TestNumbersAreLibseccomps(t *testing.T) {
	l := newLibseccomp(t)
	for _, m := range machines {
		for _, a := range append([]abi{m.native}, m.foreign...) {
			if tokens[a.name] == 0 {
				continue
			}
			same := 0
			for i := range m.table {
				name := m.table[i].name
				theirs := l.resolve(a.name, name)
				if nr, ok := a.number(&m.table[i]); theirs >= 0 && (!ok || int64(nr) != theirs) {
					t.Errorf("%s %s: %d (%v), libseccomp has %d", a.name, name, nr, ok, theirs)
				} else if ok && theirs == int64(nr) {
					same++
				}
			}
			if same < 250 {
				t.Errorf("%s: only %d numbers could be compared", a.name, same)
			}
		}
	}
}

// TestDefaultProfileIsLibseccomps holds each call of the field's default profile, by every ABI, for every argument rule, against what the
// library's program returns.
func TestDefaultProfileIsLibseccomps(t *testing.T) {
	l := newLibseccomp(t)
	for arch, m := range machines {
		if tokens[m.native.name] == 0 {
			t.Logf("%s: this libseccomp does not have it", arch)
			continue
		}
		for name, caps := range capabilitySets {
			p, unknown := l.known(mobyDefault(t, caps), m)
			compared := l.compare(p, m)
			t.Logf("%s, capabilities %s: %d calls with arguments; not known to this libseccomp: %q", arch, name, compared, unknown)
		}
	}
}

// TestCallsThatLibseccompDoesNotKnow are held against the verdict of their numbers on x86-64, where the library takes numbers too. From 424 on
// they are the same for all architectures, and so must be the verdicts.
func TestCallsThatLibseccompDoesNotKnow(t *testing.T) {
	l := newLibseccomp(t)
	x8664 := machines["amd64"]
	x8664.foreign = nil
	for name, caps := range capabilitySets {
		_, unknown := l.known(mobyDefault(t, caps), x8664)
		p := mobyDefault(t, caps)
		p.Architectures = nil
		for i, s := range p.Syscalls {
			p.Syscalls[i].Names = nil
			for _, n := range s.Names {
				nr := x8664.table.lookup(n).nr[0]
				switch {
				case !slices.Contains(unknown, n):
					p.Syscalls[i].Names = append(p.Syscalls[i].Names, n)
				case nr >= 0:
					p.Syscalls[i].Names = append(p.Syscalls[i].Names, strconv.Itoa(int(nr)))
				}
			}
		}
		theirs := l.compile(p, x8664)
		compared := 0
		for goarch, m := range machines {
			ours, err := compile(retarget(mobyDefault(t, caps), m), m)
			if err != nil {
				t.Fatal(err)
			}
			filter := ours.filter(m)
			for _, a := range append([]abi{m.native}, m.foreign...) {
				for _, n := range unknown {
					common := x8664.table.lookup(n).nr[0]
					nr, ok := a.number(m.table.lookup(n))
					if !ok || common < 0 || common < 424 && goarch != "amd64" {
						continue // of one architecture only
					}
					want, err1 := run(theirs, call{nr: uint32(common), arch: x8664.native.audit}.bytes(x8664.order()), x8664.order())
					got, err2 := run(filter, call{nr: nr, arch: a.audit}.bytes(m.order()), m.order())
					if err1 != nil || err2 != nil || got != want {
						t.Errorf("%s %s: %s is %#x, libseccomp's returns %#x for it on x86-64 (%v %v)", goarch, a.name, n, got, want, err1, err2)
					}
					compared++
				}
			}
		}
		t.Logf("capabilities %s: %d verdicts on %q", name, compared, unknown)
	}
}

// comparable makes a random profile on which libseccomp has an opinion: it must know the names; conditions of different
// rules for one call must not compete; 32-bit "less or equal" and "and" of several arguments on socketcall are bugs of its own.
func (l *libseccomp) comparable(rng *rand.Rand, m machine) *specs.LinuxSeccomp {
	p := randomProfile(rng, m)
	conditional := map[string]bool{}
	mips := strings.HasPrefix(string(m.native.name), "SCMP_ARCH_MIPS") // has these ways too, but not for the library
	here := machines[runtime.GOARCH].native.name                       // its numbers for what others have are not unique (2.5.4)
	p.Syscalls = slices.DeleteFunc(p.Syscalls, func(s specs.LinuxSyscall) bool {
		seen := map[uint]bool{}
		for _, a := range s.Args {
			if seen[a.Index] || a.Op == specs.OpLessEqual && len(m.foreign) > 0 {
				return true
			}
			seen[a.Index] = true
		}
		for _, name := range s.Names {
			call := m.table.lookup(name)
			if l.resolve(m.native.name, name) < 0 || l.resolve(here, name) < 0 || len(s.Args) > 0 && (conditional[name] || call.socketCall != 0 || call.ipcCall != 0) ||
				name == "socketcall" || name == "ipc" || mips && (call.socketCall != 0 || call.ipcCall != 0) {
				return true
			}
			conditional[name] = conditional[name] || len(s.Args) > 0
		}
		return false
	})
	return p
}

func TestProgramsDoWhatLibseccompsDo(t *testing.T) {
	l := newLibseccomp(t)
	compared := 0
	for _, m := range machines {
		if tokens[m.native.name] == 0 {
			continue
		}
		for seed := range uint64(25) {
			compared += l.compare(l.comparable(rand.New(rand.NewPCG(seed, 99)), m), m)
		}
	}
	if compared < 100000 {
		t.Errorf("only %d calls were compared", compared)
	}
}

// known drops the names that this libseccomp does not know, on whatever architecture.
func (l *libseccomp) known(p *specs.LinuxSeccomp, m machine) (_ *specs.LinuxSeccomp, unknown []string) {
	c := *retarget(p, m)
	c.Architectures = c.Architectures[1:]
	c.Syscalls = nil
	for _, s := range p.Syscalls {
		s.Names = slices.DeleteFunc(slices.Clone(s.Names), func(name string) bool {
			drop := l.resolve(m.native.name, name) == -1 // other negative numbers: another architecture has it
			if drop && !slices.Contains(unknown, name) {
				unknown = append(unknown, name)
			}
			return drop
		})
		c.Syscalls = append(c.Syscalls, s)
	}
	return &c, unknown
}

func (l *libseccomp) compare(p *specs.LinuxSeccomp, m machine) (compared int) {
	ours, err := compile(p, m)
	if err != nil {
		l.t.Fatal(err)
	}
	filter, theirs := ours.filter(m), l.compile(p, m)
	reference := newReference(p, m)
	args := interestingArgs(p)
	conditional := conditionalNumbers(p, m)
	for _, arch := range m.audits() {
		for _, nr := range interestingNumbers(p, m) {
			tries := args
			if !conditional[nr] {
				tries = args[:1]
			}
			for _, a := range tries {
				c := call{nr: nr, arch: arch, args: a}
				got, err1 := run(filter, c.bytes(m.order()), m.order())
				want, err2 := run(theirs, c.bytes(m.order()), m.order())
				if err1 != nil || err2 != nil {
					l.t.Fatal(err1, err2)
				}
				compared++
				abi, ok := reference.abi(c)
				if highest, any := reference.highest(abi); ok && any && (nr > highest || nr == 0 && abi.setup0) && got == actionNoSys {
					continue // the one thing that runc adds to libseccomp
				}
				if got != want {
					l.t.Fatalf("%s: call %d arch %#x args %#x: %#x, libseccomp's returns %#x", m.native.name, nr, arch, a, got, want)
				}
			}
		}
	}
	return compared
}
