// SPDX-License-Identifier: Apache-2.0

package cgroup

import (
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/opencontainers/runtime-spec/specs-go"
)

func (t *translator) blockIO(b *specs.LinuxBlockIO) {
	if b == nil {
		return
	}
	switch {
	case t.version("io") == 2:
		t.blockIOV2(b)
	case t.need("blkio") == 1:
		t.blockIOV1(b)
	}
}

// blockIOV1: the weights belong to the scheduler BFQ, or, on kernels before 5.0, to CFQ.
func (t *translator) blockIOV1(b *specs.LinuxBlockIO) {
	put := func(file, old, value, key string) {
		w := write{controller: "blkio", file: file, value: value}
		if key != "" {
			w.old = oldOfKey(key, key+" 0")
		}
		if old != "" {
			other := w
			other.file = old
			w.or = &other
		}
		t.writes = append(t.writes, w)
	}
	if weight := number16(b.Weight); weight != "" {
		put("blkio.bfq.weight", "blkio.weight", weight, "")
	}
	if weight := number16(b.LeafWeight); weight != "" {
		put("blkio.leaf_weight", "", weight, "")
	}
	for _, d := range b.WeightDevice {
		key := device(d.Major, d.Minor)
		if weight := number16(d.Weight); weight != "" {
			put("blkio.bfq.weight_device", "blkio.weight_device", key+" "+weight, key)
		}
		if weight := number16(d.LeafWeight); weight != "" {
			put("blkio.leaf_weight_device", "", key+" "+weight, key)
		}
	}
	for _, throttle := range throttles(b) {
		for _, d := range throttle.devices {
			key := device(d.Major, d.Minor)
			put(throttle.fileV1, "", key+" "+strconv.FormatUint(d.Rate, 10), key)
		}
	}
}

// blockIOV2: io.bfq.weight takes the value as it is, io.weight has the range 1 … 10000 for 10 … 1000. Weights of devices are BFQ's alone; as
// in runc they are nothing on a host without it.
func (t *translator) blockIOV2(b *specs.LinuxBlockIO) {
	if number16(b.LeafWeight) != "" {
		t.warn("leaf weights are not enforced on cgroup v2", "io")
	}
	if weight := number16(b.Weight); weight != "" {
		other := write{controller: "io", file: "io.weight", value: strconv.FormatUint(ioWeight(*b.Weight), 10), old: oldOfKey("default", "default 100")}
		t.writes = append(t.writes, write{controller: "io", file: "io.bfq.weight", value: weight, or: &other, old: oldOfKey("default", "default 100")})
	}
	for _, d := range b.WeightDevice {
		if weight := number16(d.Weight); weight != "" {
			key := device(d.Major, d.Minor)
			t.writes = append(t.writes, write{
				controller: "io", file: "io.bfq.weight", value: key + " " + weight, old: oldOfKey(key, key+" default"), optional: true,
			})
		}
	}
	for _, throttle := range throttles(b) {
		for _, d := range throttle.devices {
			key := device(d.Major, d.Minor)
			value := fmt.Sprintf("%s %s=%s", key, throttle.keyV2, rateV2(d.Rate))
			t.writes = append(t.writes, write{
				controller: "io", file: "io.max", value: value, old: oldOfKey(key, key+ioMaxDefault),
			})
		}
	}
}

// ioMaxDefault is a device's line in io.max that lifts all limits.
const ioMaxDefault = " rbps=max wbps=max riops=max wiops=max"

// rateV2: 0 lifts the limit, as it does on v1.
func rateV2(rate uint64) string {
	if rate == 0 {
		return "max"
	}
	return strconv.FormatUint(rate, 10)
}

// ioWeight maps 10 … 1000 linearly to 1 … 10000, as runc, crun and systemd do.
func ioWeight(weight uint16) uint64 { return 1 + (max(uint64(weight), 10)-10)*9999/990 }

type throttle struct {
	fileV1, keyV2 string
	devices       []specs.LinuxThrottleDevice
}

func throttles(b *specs.LinuxBlockIO) []throttle {
	return []throttle{
		{"blkio.throttle.read_bps_device", "rbps", b.ThrottleReadBpsDevice},
		{"blkio.throttle.write_bps_device", "wbps", b.ThrottleWriteBpsDevice},
		{"blkio.throttle.read_iops_device", "riops", b.ThrottleReadIOPSDevice},
		{"blkio.throttle.write_iops_device", "wiops", b.ThrottleWriteIOPSDevice},
	}
}

func device(major, minor int64) string { return fmt.Sprintf("%d:%d", major, minor) }

// number16 is "" for what is not given, or 0.
func number16(n *uint16) string {
	if n == nil || *n == 0 {
		return ""
	}
	return strconv.FormatUint(uint64(*n), 10)
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
