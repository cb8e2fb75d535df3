// SPDX-License-Identifier: Apache-2.0

package cgroup

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// A deviceList is what a v1 cgroup can hold: one default, and exceptions from it (security/device_cgroup.c).
type deviceList struct {
	allow      bool
	exceptions map[deviceID]access
	order      []deviceID // in which exceptions came, as the kernel lists them
}

func newDeviceList(allow bool) deviceList {
	return deviceList{allow: allow, exceptions: map[deviceID]access{}}
}

// except adds to the exceptions.
func (l *deviceList) except(id deviceID, a access) {
	if _, ok := l.exceptions[id]; !ok {
		l.order = append(l.order, id)
	}
	l.exceptions[id] |= a
}

// listOf turns rules, of which the last counts, into a default with exceptions. Some rules have no such form: a denial of a part of
// what an earlier rule allows. The kernel would ignore it; here it is an error.
func listOf(rules []deviceRule) (deviceList, error) {
	l := newDeviceList(false)
	for _, r := range rules {
		if r.kind == 'a' {
			if r.major != anyNumber || r.minor != anyNumber || r.access != accessAll {
				return l, fmt.Errorf("%w: device rule %s %s: cgroup v1 has the type \"a\" for everything only", ErrInvalid, r.deviceID, r.access)
			}
			l = newDeviceList(r.allow)
			continue
		}
		if r.allow != l.allow {
			l.except(r.deviceID, r.access)
			continue
		}
		for id, a := range l.exceptions {
			switch {
			case a&r.access == 0 || !r.overlaps(id):
			case r.covers(id):
				l.exceptions[id] = a &^ r.access
			default:
				return l, fmt.Errorf("%w: device rule %s %s: cgroup v1 cannot except it from the earlier rule for %s",
					ErrInvalid, r.deviceID, r.access, id)
			}
			if l.exceptions[id] == 0 {
				delete(l.exceptions, id)
			}
		}
	}
	return l, nil
}

// parseDeviceList reads devices.list. A list with a default of "allow" shows no exceptions there, only this one line:
//
//	a *:* rwm
//
// and one with a default of "deny" a line for each exception:
//
//	c 1:3 rwm
//	b *:* m
func parseDeviceList(content string) (deviceList, error) {
	l := newDeviceList(false)
	for line := range strings.Lines(content) {
		fields := strings.Fields(line)
		if len(fields) != 3 || !slices.Contains([]string{"a", "b", "c"}, fields[0]) {
			return l, fmt.Errorf("line %q of devices.list", line)
		}
		if fields[0] == "a" {
			l.allow = true
			continue
		}
		major, minor, ok := strings.Cut(fields[1], ":")
		id := deviceID{kind: fields[0][0]}
		var errs [2]error
		id.major, errs[0] = parseNumber(major)
		id.minor, errs[1] = parseNumber(minor)
		if !ok || errors.Join(errs[:]...) != nil {
			return l, fmt.Errorf("line %q of devices.list", line)
		}
		var a access
		for i, c := range "mrw" {
			if strings.ContainsRune(fields[2], c) {
				a |= 1 << i
			}
		}
		l.except(id, a)
	}
	return l, nil
}

func parseNumber(s string) (int64, error) {
	if s == "*" {
		return anyNumber, nil
	}
	n, err := strconv.ParseUint(s, 10, 32)
	return int64(n), err
}

// steps returns what to write to devices.allow and devices.deny to get from one list to the next, in the order of the rules: devices.list is
// read by others too.
func (l deviceList) steps(next deviceList) []deviceRule {
	var steps []deviceRule
	// The exceptions of a list that allows by default cannot be read back: that one is always made anew.
	if next.allow || l.allow {
		steps = append(steps, deviceRule{deviceID: deviceID{'a', anyNumber, anyNumber}, access: accessAll, allow: next.allow})
		l = newDeviceList(next.allow)
	}
	for _, id := range next.order {
		if add := next.exceptions[id] &^ l.exceptions[id]; add != 0 {
			steps = append(steps, deviceRule{deviceID: id, access: add, allow: !next.allow})
		}
	}
	for _, id := range l.order {
		if remove := l.exceptions[id] &^ next.exceptions[id]; remove != 0 {
			steps = append(steps, deviceRule{deviceID: id, access: remove, allow: next.allow})
		}
	}
	return steps
}

// setDevicesV1 does nothing on a host without the controller, as runc: nodes without it exist.
func (c *Cgroup) setDevicesV1(rules []deviceRule) error {
	h := c.m.controller("devices")
	if h == nil && unprivileged() {
		return nil
	}
	if h == nil {
		c.m.warnOnce("access to devices is not restricted: no devices controller", "devices")
		return nil
	}
	next, err := listOf(rules)
	if err != nil {
		return err
	}
	content, err := h.read(path.Join(c.path, "devices.list"))
	if err != nil {
		return err
	}
	now, err := parseDeviceList(content)
	if err != nil {
		return err
	}
	if err := c.writeDevices(h, now.steps(next)); err != nil {
		if errors.Is(err, unix.EPERM) && unprivileged() {
			return nil // nobody can make or open other devices there
		}
		if !now.allow { // what was there can be known
			err = errors.Join(err, c.writeDevices(h, next.steps(now)))
		}
		return err
	}
	return nil
}

// writeDevices opens each file once.
func (c *Cgroup) writeDevices(h *hierarchy, steps []deviceRule) error {
	for len(steps) > 0 {
		n := 1
		for n < len(steps) && steps[n].allow == steps[0].allow {
			n++
		}
		file := "devices.deny"
		if steps[0].allow {
			file = "devices.allow"
		}
		lines := make([]string, n)
		for i, s := range steps[:n] {
			lines[i] = s.line()
		}
		if err := h.write(path.Join(c.path, file), lines...); err != nil {
			return err
		}
		steps = steps[n:]
	}
	return nil
}

func (r deviceRule) line() string {
	if r.kind == 'a' {
		return "a"
	}
	return r.deviceID.String() + " " + r.access.String()
}
