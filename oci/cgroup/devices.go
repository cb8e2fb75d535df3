// SPDX-License-Identifier: Apache-2.0

package cgroup

import (
	"fmt"
	"math"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// access are the ways to use a device, with the kernel's bits (BPF_DEVCG_ACC_*).
type access uint8

const (
	accessMknod access = 1 << iota
	accessRead
	accessWrite
	accessAll = accessMknod | accessRead | accessWrite
)

func (a access) String() string {
	s := ""
	if a&accessRead != 0 {
		s += "r"
	}
	if a&accessWrite != 0 {
		s += "w"
	}
	if a&accessMknod != 0 {
		s += "m"
	}
	return s
}

// anyNumber stands for all majors or minors.
const anyNumber = -1

// A deviceID names a device, or many. kind is 'b' or 'c', or 'a' for both.
type deviceID struct {
	kind         byte
	major, minor int64
}

// covers says whether every device of o is one of d.
func (d deviceID) covers(o deviceID) bool {
	return (d.kind == 'a' || d.kind == o.kind) &&
		(d.major == anyNumber || d.major == o.major) && (d.minor == anyNumber || d.minor == o.minor)
}

// overlaps says whether some device is one of both.
func (d deviceID) overlaps(o deviceID) bool {
	same := func(a, b int64) bool { return a == anyNumber || b == anyNumber || a == b }
	return (d.kind == 'a' || o.kind == 'a' || d.kind == o.kind) && same(d.major, o.major) && same(d.minor, o.minor)
}

func (d deviceID) String() string {
	n := func(n int64) string {
		if n == anyNumber {
			return "*"
		}
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%c %s:%s", d.kind, n(d.major), n(d.minor))
}

// A deviceRule allows or denies access. The last rule that is for a device and an access counts; with none it is denied.
type deviceRule struct {
	deviceID
	access access
	allow  bool
}

// DefaultDevices are the rules that every container has after its own: mknod of anything, and the devices that runtime-spec config-linux.md
// "Default Devices" promises, with pseudo terminals and tun as runc and crun have them.
func DefaultDevices() []specs.LinuxDeviceCgroup {
	rules := []specs.LinuxDeviceCgroup{
		{Allow: true, Type: "c", Access: "m"},
		{Allow: true, Type: "b", Access: "m"},
	}
	for _, d := range [][2]int64{
		{1, 3}, {1, 5}, {1, 7}, {1, 8}, {1, 9}, {5, 0}, {5, 2}, {136, anyNumber}, {10, 200},
	} {
		r := specs.LinuxDeviceCgroup{Allow: true, Type: "c", Major: &d[0], Access: "rwm"}
		if d[1] != anyNumber {
			r.Minor = &d[1]
		}
		rules = append(rules, r)
	}
	return rules
}

// deviceRules checks and translates the rules of a spec, and adds the default ones.
func deviceRules(list []specs.LinuxDeviceCgroup) ([]deviceRule, error) {
	rules := make([]deviceRule, 0, len(list)+12)
	for i, d := range append(list[:len(list):len(list)], DefaultDevices()...) {
		r, err := newDeviceRule(d)
		if err != nil {
			return nil, fmt.Errorf("%w: devices[%d]: %w", ErrInvalid, i, err)
		}
		rules = append(rules, r)
	}
	return rules, nil
}

func newDeviceRule(d specs.LinuxDeviceCgroup) (deviceRule, error) {
	r := deviceRule{deviceID: deviceID{kind: 'a', major: anyNumber, minor: anyNumber}, allow: d.Allow}
	switch d.Type {
	case "", "a":
	case "b", "c":
		r.kind = d.Type[0]
	case "u": // unbuffered: a character device
		r.kind = 'c'
	default:
		return r, fmt.Errorf("type %q", d.Type)
	}
	for _, n := range []struct{ from, to *int64 }{{d.Major, &r.major}, {d.Minor, &r.minor}} {
		if n.from == nil || *n.from == anyNumber {
			continue
		}
		if *n.from < 0 || *n.from > math.MaxInt32 {
			return r, fmt.Errorf("device number %d", *n.from)
		}
		*n.to = *n.from
	}
	if d.Access == "" {
		r.access = accessAll
	}
	for _, c := range d.Access {
		switch c {
		case 'r':
			r.access |= accessRead
		case 'w':
			r.access |= accessWrite
		case 'm':
			r.access |= accessMknod
		default:
			return r, fmt.Errorf("access %q", d.Access)
		}
	}
	return r, nil
}

// setDevices replaces the rules of the cgroup: on v2 at once, on v1 in steps of which none takes away what old and new rules both allow.
func (c *Cgroup) setDevices(list []specs.LinuxDeviceCgroup) error {
	rules, err := deviceRules(list)
	if err != nil {
		return err
	}
	switch {
	case len(c.m.hierarchies) == 0:
		return nil
	case c.m.mode == V2:
		return c.setDevicesV2(rules)
	}
	return c.setDevicesV1(rules)
}
