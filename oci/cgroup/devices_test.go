// SPDX-License-Identifier: Apache-2.0

package cgroup

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// permits says what the rules mean: each wanted access is decided by the last rule for it.
func permits(rules []deviceRule, id deviceID, want access) bool {
	for bit := accessMknod; bit <= accessWrite; bit <<= 1 {
		if want&bit == 0 {
			continue
		}
		allow := false
		for _, r := range rules {
			if r.covers(id) && r.access&bit != 0 {
				allow = r.allow
			}
		}
		if !allow {
			return false
		}
	}
	return true
}

// runFilter interprets what deviceFilter writes.
func runFilter(program []instruction, id deviceID, want access) (bool, error) {
	kind := uint32(kindBlock)
	if id.kind == 'c' {
		kind = kindChar
	}
	context := map[int16]uint32{0: uint32(want)<<16 | kind, 4: uint32(id.major), 8: uint32(id.minor)}
	var reg [11]uint64
	for pc := 0; pc < len(program); pc++ {
		i := program[pc]
		dst, src := &reg[i.regs&15], reg[i.regs>>4]
		imm := uint64(int64(i.imm))
		switch i.code {
		case opLoad:
			*dst = uint64(context[i.off])
		case opMov:
			*dst = imm
		case opMovReg:
			*dst = src
		case opAnd:
			*dst &= imm
		case opShift:
			*dst >>= imm
		case opJumpNE:
			if *dst != imm {
				pc += int(i.off)
			}
		case opJumpEq:
			if *dst == imm {
				pc += int(i.off)
			}
		case opExit:
			return reg[0] == 1, nil
		default:
			return false, fmt.Errorf("instruction %d: %+v", pc, i)
		}
	}
	return false, errors.New("ran off the end")
}

// permits says what the list means to the kernel's v1 controller, for one access bit.
func (l deviceList) permits(id deviceID, bit access) bool {
	for e, a := range l.exceptions {
		if e.covers(id) && a&bit != 0 {
			return !l.allow
		}
	}
	return l.allow
}

func randomRules(rng *rand.Rand) []deviceRule {
	numbers := []int64{anyNumber, 1, 2}
	rules := make([]deviceRule, rng.IntN(8))
	for i := range rules {
		rules[i] = deviceRule{
			deviceID: deviceID{"abc"[rng.IntN(3)], numbers[rng.IntN(3)], numbers[rng.IntN(3)]},
			access:   access(1 + rng.IntN(7)), allow: rng.IntN(2) == 0,
		}
		if rng.IntN(3) == 0 {
			rules[i].access = accessAll
		}
	}
	return rules
}

func allDevices(f func(id deviceID)) {
	for _, kind := range []byte("bc") {
		for major := int64(0); major < 4; major++ {
			for minor := int64(0); minor < 4; minor++ {
				f(deviceID{kind, major, minor})
			}
		}
	}
}

func TestFilterMeansWhatTheRulesSay(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		rules := randomRules(rng)
		program := deviceFilter(rules)
		allDevices(func(id deviceID) {
			for want := access(1); want <= accessAll; want++ {
				got, err := runFilter(program, id, want)
				if err != nil || got != permits(rules, id, want) {
					t.Fatalf("%v: %v %v is %v, %v", rules, id, want, got, err)
				}
			}
		})
	}
}

func TestListMeansWhatTheRulesSay(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	expressed := 0
	for range 20000 {
		rules := randomRules(rng)
		l, err := listOf(rules)
		if errors.Is(err, ErrInvalid) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		expressed++
		allDevices(func(id deviceID) {
			for bit := accessMknod; bit <= accessWrite; bit <<= 1 {
				if got := l.permits(id, bit); got != permits(rules, id, bit) {
					t.Fatalf("%v became %+v: %v %v is %v", rules, l, id, bit, got)
				}
			}
		})
	}
	if expressed < 2000 {
		t.Errorf("only %d of the lists were expressed", expressed)
	}
}

// doStep is the kernel's devcgroup_update_access.
func (l deviceList) doStep(s deviceRule) deviceList {
	if s.kind == 'a' {
		return deviceList{allow: s.allow, exceptions: map[deviceID]access{}}
	}
	e := maps.Clone(l.exceptions)
	if s.allow != l.allow {
		e[s.deviceID] |= s.access
	} else if e[s.deviceID] &^= s.access; e[s.deviceID] == 0 {
		delete(e, s.deviceID)
	}
	return deviceList{allow: l.allow, exceptions: e}
}

func TestStepsLeadToTheNextListAndTakeNothingAwayMeanwhile(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for range 20000 {
		from, err1 := listOf(randomRules(rng))
		to, err2 := listOf(randomRules(rng))
		if err1 != nil || err2 != nil {
			continue
		}
		now := from
		for _, s := range from.steps(to) {
			now = now.doStep(s)
			if from.allow || to.allow {
				continue
			}
			for id, a := range from.exceptions {
				if keep := a & to.exceptions[id]; now.exceptions[id]&keep != keep {
					t.Fatalf("%v to %v: step %v takes %v away", from, to, s, id)
				}
			}
		}
		if now.allow != to.allow || !maps.Equal(now.exceptions, to.exceptions) {
			t.Fatalf("%v to %v: got to %v", from, to, now)
		}
	}
}

// Others compare devices.list with the spec line by line (runtime-tools' linux_cgroups_devices).
func TestDevicesAreListedInTheOrderOfTheRules(t *testing.T) {
	rules, err := deviceRules([]specs.LinuxDeviceCgroup{
		{Allow: false, Access: "rwm"},
		{Allow: true, Type: "c", Major: ptr(int64(10)), Minor: ptr(int64(229)), Access: "rwm"},
		{Allow: true, Type: "b", Major: ptr(int64(8)), Minor: ptr(int64(20)), Access: "rw"},
	})
	if err != nil {
		t.Fatal(err)
	}
	l, err := listOf(rules)
	if err != nil {
		t.Fatal(err)
	}
	steps := newDeviceList(true).steps(l)
	var lines []string
	for _, s := range steps[:4] {
		lines = append(lines, s.line())
	}
	if got := strings.Join(lines, ", "); got != "a, c 10:229 rwm, b 8:20 rw, c *:* m" {
		t.Errorf("steps %s", got)
	}
}

func TestDeviceRules(t *testing.T) {
	for name, d := range map[string]specs.LinuxDeviceCgroup{
		"type": {Type: "x"}, "access": {Access: "rx"}, "major": {Type: "c", Major: ptr(int64(-2))}, "minor": {Type: "c", Minor: ptr(int64(1 << 40))},
	} {
		if _, err := deviceRules([]specs.LinuxDeviceCgroup{d}); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := listOf([]deviceRule{
		{deviceID{'c', anyNumber, anyNumber}, accessAll, true}, {deviceID{'c', 1, 3}, accessWrite, false},
	}); !errors.Is(err, ErrInvalid) {
		t.Error("a part of a wildcard is denied on v1:", err)
	}
	privileged, err := deviceRules([]specs.LinuxDeviceCgroup{{Allow: true, Access: "rwm"}})
	if err != nil {
		t.Fatal(err)
	}
	if l, err := listOf(privileged); err != nil || !l.allow || len(l.exceptions) != 0 {
		t.Errorf("%+v, %v", l, err)
	}
}

func TestFilterKeysTellRulesApart(t *testing.T) {
	seen := map[string][]deviceRule{}
	rng := rand.New(rand.NewPCG(9, 10))
	for range 5000 {
		rules := randomRules(rng)
		key := filterKey(rules)
		if other, ok := seen[key]; ok && !slices.Equal(other, rules) {
			t.Fatalf("%+v and %+v have one key", rules, other)
		}
		seen[key] = rules
	}
}

// tryDevices is a script that opens /dev/zero, which all may, and the device of a test.
func tryDevices(t *testing.T, c *Cgroup, device string) (allowed bool) {
	t.Helper()
	cmd := start(t, c, "true </dev/zero || exit 9; true <"+device+" 2>/dev/null && exit 7; exit 8")
	_ = cmd.Wait()
	switch code := cmd.ProcessState.ExitCode(); code {
	case 7:
		return true
	case 8:
		return false
	default:
		t.Fatalf("exit code %d", code)
		return false
	}
}

func TestDevicesAreDeniedAndAllowed(t *testing.T) {
	const device = "/dev/kmsg"
	var st unix.Stat_t
	if err := unix.Stat(device, &st); err != nil {
		t.Skip("no ", device)
	}
	rule := specs.LinuxDeviceCgroup{
		Allow: true, Type: "c", Access: "r", Major: ptr(int64(unix.Major(st.Rdev))), Minor: ptr(int64(unix.Minor(st.Rdev))),
	}
	deny := specs.LinuxDeviceCgroup{Access: "rwm"}
	m := newManager(t)
	if m.mode != V2 && m.controller("devices") == nil {
		t.Skip("no devices controller")
	}
	c := newCgroup(t, m, nil)
	all := specs.LinuxDeviceCgroup{Allow: true, Access: "rwm"}
	steps := []struct {
		rules []specs.LinuxDeviceCgroup
		want  bool
	}{
		{nil, false}, {[]specs.LinuxDeviceCgroup{deny, rule}, true}, {[]specs.LinuxDeviceCgroup{deny}, false},
		{[]specs.LinuxDeviceCgroup{all}, true}, {[]specs.LinuxDeviceCgroup{deny}, false},
	}
	for i, s := range steps {
		if s.rules != nil {
			if err := c.Set(&specs.LinuxResources{Devices: s.rules}); err != nil {
				t.Fatal(i, err)
			}
		}
		if got := tryDevices(t, c, device); got != s.want {
			t.Errorf("step %d: %s is allowed: %v", i, device, got)
		}
	}
	if m.mode == V2 {
		fd, err := m.unified.open(c.path, unix.O_RDONLY)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		old, err := attachedFilters(fd)
		closeAll(old)
		if err != nil || len(old) != 1 {
			t.Errorf("%d filters are attached, %v", len(old), err)
		}
	}
}

// TestDevicesAreReplacedAtOnce: while rules change, again and again, every look finds one program, a process never gets what no rules allow, and
// never is denied what all allow.
func TestDevicesAreReplacedAtOnce(t *testing.T) {
	m := newManager(t)
	if m.mode != V2 {
		t.Skip("device filters are v2's")
	}
	if _, err := os.Stat("/dev/kmsg"); err != nil {
		t.Skip(err)
	}
	c := newCgroup(t, m, nil)
	dir, err := m.unified.open(c.path, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(dir)
	user := start(t, c, "trap 'exit 5' TERM; while :; do true </dev/zero || exit 6; (true </dev/kmsg) 2>/dev/null && exit 7; done")
	enough, looked := make(chan bool), make(chan int)
	go func() {
		looks := 0
		for {
			ids, err := filterIDs(dir)
			if err != nil || len(ids) != 1 {
				t.Errorf("%d filters are attached, %v", len(ids), err)
			}
			looks++
			select {
			case <-enough:
				looked <- looks
				return
			default:
			}
		}
	}()
	deny := specs.LinuxDeviceCgroup{Access: "rwm"}
	for i := range 200 {
		rules := []specs.LinuxDeviceCgroup{deny}
		for n := range i % 20 { // more than the cache has programs for
			rules = append(rules, specs.LinuxDeviceCgroup{Allow: true, Type: "c", Major: ptr(int64(250)), Minor: ptr(int64(n)), Access: "r"})
		}
		if err := c.Set(&specs.LinuxResources{Devices: rules}); err != nil {
			t.Fatal(err)
		}
	}
	close(enough)
	if looks := <-looked; looks < 200 {
		t.Errorf("only %d looks", looks)
	}
	if err := user.Process.Signal(unix.SIGTERM); err != nil {
		t.Error(err)
	}
	_ = user.Wait()
	if code := user.ProcessState.ExitCode(); code != 5 {
		t.Errorf("the process ended with %d: 6 is denied what is allowed, 7 allowed what is denied", code)
	}
}

func TestRandomFiltersPassTheVerifier(t *testing.T) {
	m := newManager(t)
	if m.mode != V2 {
		t.Skip("device filters are v2's")
	}
	rng := rand.New(rand.NewPCG(7, 8))
	for range 100 {
		rules := randomRules(rng)
		fd, err := loadFilter(deviceFilter(rules))
		if err != nil {
			t.Fatalf("%v: %v", rules, err)
		}
		unix.Close(fd)
	}
}

func FuzzParseDeviceList(f *testing.F) {
	f.Add("a *:* rwm\n")
	f.Add("c 1:3 rwm\nb *:* m\nc 136:* rw\n")
	f.Add("c 1:3")
	f.Add("\xf9 0:0 r")
	f.Fuzz(func(t *testing.T, content string) {
		l, err := parseDeviceList(content)
		if err != nil {
			return
		}
		var b strings.Builder
		for id, a := range l.exceptions {
			if a != 0 {
				fmt.Fprintf(&b, "%v %v\n", id, a)
			}
		}
		again, err := parseDeviceList(b.String())
		if err != nil {
			t.Fatalf("%q: %v", b.String(), err)
		}
		for id, a := range l.exceptions {
			if again.exceptions[id] != a {
				t.Errorf("%v: %v, then %v", id, a, again.exceptions[id])
			}
		}
	})
}
