// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"fmt"
	"maps"
	"math"
	"path"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// Everything here holds on every host: what cgroups of version 1 or 2 lack is not looked at.

func (v *validator) resources() {
	v.cgroupsPath(v.spec.Linux.CgroupsPath)
	r := v.spec.Linux.Resources
	if r == nil {
		return
	}
	const field = "linux.resources"
	for i := range r.Devices {
		v.deviceRule(at(field+".devices", i), &r.Devices[i])
	}
	v.memory(field+".memory", r.Memory)
	v.cpu(field+".cpu", r.CPU)
	v.pids(field+".pids", r.Pids)
	v.blockIO(field+".blockIO", r.BlockIO)
	v.hugepages(field+".hugepageLimits", r.HugepageLimits)
	v.network(field+".network", r.Network)
	v.rdma(field+".rdma", r.Rdma)
	v.unified(field+".unified", r.Unified)
}

// cgroupsPath is a path, or "slice:prefix:name" with the systemd driver.
func (v *validator) cgroupsPath(p string) {
	v.advise(slices.Contains(strings.Split(p, "/"), ".."), "linux.cgroupsPath", "%q: .. does not lead above the cgroups' root", p)
	if p != "" && !isSystemdPath(p) && path.Clean("/"+p) == "/" {
		v.invalid("linux.cgroupsPath", "%q: the root of the cgroups", p)
	}
}

func (v *validator) deviceRule(field string, d *specs.LinuxDeviceCgroup) {
	if !slices.Contains([]string{"", "a", "b", "c"}, d.Type) {
		v.invalid(field+".type", "%q: none of a, b, c", d.Type)
	}
	if strings.Trim(d.Access, "rwm") != "" {
		v.invalid(field+".access", "%q: not of r, w and m", d.Access)
	}
	for _, n := range []struct {
		name  string
		value *int64
	}{{"major", d.Major}, {"minor", d.Minor}} {
		if n.value != nil && (*n.value < -1 || *n.value > math.MaxUint32) {
			v.invalid(field+"."+n.name, "%d: not a device number", *n.value)
		}
	}
	v.advise(d.Access == "", field+".access", "missing: the rule is for nothing")
	all := d.Type == "" || d.Type == "a"
	v.advise(all && (d.Major != nil || d.Minor != nil), field+".type", "%q with a device number: on cgroup v1 that is every device", d.Type)
}

func (v *validator) memory(field string, m *specs.LinuxMemory) {
	if m == nil {
		return
	}
	limited := m.Limit != nil && *m.Limit > 0
	type limit struct {
		name  string
		value *int64
	}
	//lint:ignore SA1019 deprecated, but still in use
	for _, n := range []limit{{"limit", m.Limit}, {"reservation", m.Reservation}, {"swap", m.Swap}, {"kernel", m.Kernel}, {"kernelTCP", m.KernelTCP}} {
		if n.value != nil && *n.value < -1 {
			v.invalid(field+"."+n.name, "%d: negative, and not -1 for no limit", *n.value)
		}
	}
	if limited && m.Swap != nil && *m.Swap > 0 && *m.Swap < *m.Limit {
		v.invalid(field+".swap", "%d: the limit of memory and swap together is less than that of memory, %d", *m.Swap, *m.Limit)
	}
	v.advise(m.Swap != nil && *m.Swap > 0 && m.Limit == nil, field+".swap", "without memory.limit")
	v.advise(limited && m.Reservation != nil && *m.Reservation > *m.Limit, field+".reservation", "over the limit, so that it has no effect")
	if m.Swappiness != nil && *m.Swappiness > 100 {
		v.invalid(field+".swappiness", "%d: not in 0 to 100", *m.Swappiness)
	}
	//lint:ignore SA1019 it is what is advised against
	v.advise(m.Kernel != nil, field+".kernel", "not recommended by the runtime spec, and gone since Linux 5.16")
	v.advise(m.KernelTCP != nil, field+".kernelTCP", "not recommended by the runtime spec")
}

func (v *validator) cpu(field string, c *specs.LinuxCPU) {
	if c == nil {
		return
	}
	if c.Quota != nil && *c.Quota < -1 {
		v.invalid(field+".quota", "%d: negative, and not -1 for no limit", *c.Quota)
	}
	if c.Burst != nil && c.Quota != nil && *c.Quota > 0 && *c.Burst > uint64(*c.Quota) {
		v.invalid(field+".burst", "%d: over the quota of %d", *c.Burst, *c.Quota)
	}
	if c.Idle != nil && (*c.Idle < 0 || *c.Idle > 1) {
		v.invalid(field+".idle", "%d: neither 0 nor 1", *c.Idle)
	}
	if c.RealtimeRuntime != nil && c.RealtimePeriod != nil && *c.RealtimeRuntime > 0 && uint64(*c.RealtimeRuntime) > *c.RealtimePeriod {
		v.invalid(field+".realtimeRuntime", "%d: over the period of %d", *c.RealtimeRuntime, *c.RealtimePeriod)
	}
	for _, l := range [][2]string{{"cpus", c.Cpus}, {"mems", c.Mems}} {
		if _, err := cpuMask(l[1]); l[1] != "" && err != nil {
			v.invalid(field+"."+l[0], "%q: not a list such as 0-3,7", l[1])
		}
	}
	v.cpuRanges(field, c)
}

// cpuRanges: what the kernel takes for shares (MIN_SHARES and MAX_SHARES of kernel/sched/sched.h) and for a period.
func (v *validator) cpuRanges(field string, c *specs.LinuxCPU) {
	shares := c.Shares != nil && *c.Shares != 0 && (*c.Shares < 2 || *c.Shares > 1<<18)
	v.advise(shares, field+".shares", "not in 2 to 262144, and brought there")
	if c.Period != nil && *c.Period != 0 && (*c.Period < 1000 || *c.Period > 1_000_000) {
		v.invalid(field+".period", "%d: not in 1000 to 1000000 microseconds", *c.Period)
	}
	if c.Quota != nil && *c.Quota > 0 && *c.Quota < 1000 {
		v.invalid(field+".quota", "%d: less than 1000 microseconds", *c.Quota)
	}
	v.advise(c.Idle != nil && *c.Idle == 1 && c.Shares != nil, field+".shares", "without effect on an idle cgroup")
}

func (v *validator) pids(field string, p *specs.LinuxPids) {
	if p != nil && p.Limit != nil && *p.Limit < -1 {
		v.advise(true, field+".limit", "%d: taken as -1, no limit", *p.Limit)
	}
}

func (v *validator) blockIO(field string, b *specs.LinuxBlockIO) {
	if b == nil {
		return
	}
	v.weight(field+".weight", b.Weight)
	v.weight(field+".leafWeight", b.LeafWeight)
	for i, d := range b.WeightDevice {
		entry := at(field+".weightDevice", i)
		if d.Weight == nil && d.LeafWeight == nil {
			v.invalid(entry, "neither weight nor leafWeight")
		}
		v.weight(entry+".weight", d.Weight)
		v.weight(entry+".leafWeight", d.LeafWeight)
		v.number(entry, d.Major, d.Minor)
	}
	for _, l := range []struct {
		name string
		all  []specs.LinuxThrottleDevice
	}{
		{"throttleReadBpsDevice", b.ThrottleReadBpsDevice}, {"throttleWriteBpsDevice", b.ThrottleWriteBpsDevice},
		{"throttleReadIOPSDevice", b.ThrottleReadIOPSDevice}, {"throttleWriteIOPSDevice", b.ThrottleWriteIOPSDevice},
	} {
		for i, d := range l.all {
			v.number(at(field+"."+l.name, i), d.Major, d.Minor)
		}
	}
}

// weight: 10 to 1000 (kernel Documentation/block/bfq-iosched.rst has 1 to 1000); 0 is what engines send for none.
func (v *validator) weight(field string, w *uint16) {
	if w != nil && *w != 0 && (*w < 10 || *w > 1000) {
		v.invalid(field, "%d: not in 10 to 1000", *w)
	}
}

func (v *validator) hugepages(field string, all []specs.LinuxHugepageLimit) {
	seen := map[string]bool{}
	for i, l := range all {
		entry := at(field, i) + ".pageSize"
		if !hugepageSize(l.Pagesize) {
			v.invalid(entry, "%q: not a size such as 64KB, 2MB or 1GB", l.Pagesize)
		}
		v.advise(seen[l.Pagesize], entry, "%q: given twice", l.Pagesize)
		seen[l.Pagesize] = true
	}
}

func (v *validator) network(field string, n *specs.LinuxNetwork) {
	if n == nil {
		return
	}
	for i, p := range n.Priorities {
		v.interfaceName(at(field+".priorities", i)+".name", p.Name)
	}
}

func (v *validator) rdma(field string, devices map[string]specs.LinuxRdma) {
	for _, name := range slices.Sorted(maps.Keys(devices)) {
		if d := devices[name]; d.HcaHandles == nil && d.HcaObjects == nil {
			v.invalid(key(field, name), "neither hcaHandles nor hcaObjects")
		}
		if name == "" || strings.ContainsAny(name, " \t\n\x00/") {
			v.invalid(key(field, name), "not the name of a device")
		}
	}
}

// unified: each key is the name of a file in the cgroup's directory.
func (v *validator) unified(field string, files map[string]string) {
	for _, name := range slices.Sorted(maps.Keys(files)) {
		controller, _, ok := strings.Cut(name, ".")
		if !ok || controller == "" || strings.ContainsAny(name, "/\x00") {
			v.invalid(key(field, name), "not the name of a cgroup v2 file, as memory.high is")
		}
		v.text(key(field, name), files[name])
	}
}

// interfaceName is dev_valid_name of the kernel's net/core/dev.c.
func (v *validator) interfaceName(field, name string) {
	if err := checkInterfaceName(name); err != nil {
		v.invalid(field, "%v", err)
	}
}

func checkInterfaceName(name string) error {
	bad := func(r rune) bool { return r == '/' || r == ':' || r <= ' ' || r == 0x7f }
	switch {
	case name == "":
		return fmt.Errorf("missing")
	case len(name) > 15:
		return fmt.Errorf("%q: longer than 15 bytes", name)
	case name == "." || name == ".." || strings.ContainsFunc(name, bad):
		return fmt.Errorf("%q: not the name of a network device", name)
	}
	return nil
}
