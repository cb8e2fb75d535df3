// SPDX-License-Identifier: Apache-2.0

package generate

import (
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// limitSettings are the limits, each by itself, and "limits" for several of them at once.
func limitSettings() []Setting {
	all := []Setting{
		size("memory", func(r *specs.LinuxResources) **int64 { return &r.Memory.Limit }, "memory", "linux-mem-limit"),
		size("memory and swap together", func(r *specs.LinuxResources) **int64 { return &r.Memory.Swap }, "memory-swap", "swap", "linux-mem-swap"),
		size("memory that is kept when others want it (soft)", func(r *specs.LinuxResources) **int64 { return &r.Memory.Reservation },
			"memory-reservation", "linux-mem-reservation"),
		number("relative share of CPU time", func(s *specs.Spec) *uint64 { return pointer(&s.Linux.Resources.CPU.Shares) }, "cpu-shares", "linux-cpu-shares"),
		number("CPU time in a period, in microseconds", func(s *specs.Spec) *int64 { return pointer(&s.Linux.Resources.CPU.Quota) },
			"cpu-quota", "linux-cpu-quota"),
		number("length of a period, in microseconds", func(s *specs.Spec) *uint64 { return pointer(&s.Linux.Resources.CPU.Period) },
			"cpu-period", "linux-cpu-period"),
		text("CPUs to run on, such as 0-3+7", nil, "cpuset-cpus", "cpuset", "linux-cpus"),
		text("memory nodes to use, such as 0+1", nil, "cpuset-mems", "linux-mems"),
		number("number of processes", func(s *specs.Spec) *int64 { return pointer(&pointer(&s.Linux.Resources.Pids).Limit) },
			"pids-limit", "pids", "linux-pids-limit"),
		{Names: []string{"hugepage", "linux-hugepage-limits-add"}, Usage: "limit of huge pages as size:bytes, such as 2MB:64m", apply: addHugepages},
		number("relative weight of block I/O, 10 to 1000", func(s *specs.Spec) *uint16 { return pointer(&s.Linux.Resources.BlockIO.Weight) },
			"blkio-weight", "linux-blkio-weight"),
	}
	cpus := slices.IndexFunc(all, func(t Setting) bool { return t.Names[0] == "cpuset-cpus" })
	all[cpus].apply = cpuset(func(c *specs.LinuxCPU) *string { return &c.Cpus })
	all[cpus+1].apply = cpuset(func(c *specs.LinuxCPU) *string { return &c.Mems })
	return append(all, Setting{
		Names: []string{"limits"}, Usage: "several limits as name=value, separated by commas, such as memory=64m,pids=100",
		apply: func(s *specs.Spec, v string) error { return setLimits(all, s, v) },
	})
}

// setLimits applies each of "name=value,name=value".
func setLimits(all []Setting, s *specs.Spec, v string) error {
	for one := range strings.SplitSeq(v, ",") {
		name, value, err := assignment(one)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(all, func(t Setting) bool { return slices.Contains(t.Names, name) })
		if i < 0 {
			return errors.New(name + ": no such limit")
		}
		if err := all[i].apply(s, value); err != nil {
			return err
		}
	}
	return nil
}

// cpuset writes a list; a plus stands for a comma, which separates limits.
func cpuset(field func(c *specs.LinuxCPU) *string) func(s *specs.Spec, v string) error {
	return func(s *specs.Spec, v string) error {
		*field(s.Linux.Resources.CPU) = strings.ReplaceAll(v, "+", ",")
		return nil
	}
}

// size is a setting of a number of bytes.
func size(what string, field func(r *specs.LinuxResources) **int64, names ...string) Setting {
	return Setting{Names: names, Usage: "limit of " + what + ", in bytes or with k, m, g; -1 for none", apply: func(s *specs.Spec, v string) error {
		n, err := parseSize(v)
		if err == nil {
			*field(s.Linux.Resources) = &n
		}
		return err
	}}
}

// parseSize reads 1024, 64k, 64m, 1g, 1t, or -1.
func parseSize(v string) (int64, error) {
	units := map[byte]int64{'k': 1 << 10, 'm': 1 << 20, 'g': 1 << 30, 't': 1 << 40}
	factor := int64(1)
	digits := strings.TrimSuffix(strings.ToLower(v), "b")
	if n := len(digits); n > 0 && units[digits[n-1]] != 0 {
		factor, digits = units[digits[n-1]], digits[:n-1]
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < -1 || n > math.MaxInt64/factor || n == -1 && factor != 1 {
		return 0, errors.New("want a number of bytes such as 64m")
	}
	return n * factor, nil
}

func addHugepages(s *specs.Spec, v string) error {
	page, limit, ok := strings.Cut(v, ":")
	n, err := parseSize(limit)
	if !ok || err != nil || n < 0 {
		return errors.New("want size:bytes, such as 2MB:64m")
	}
	r := s.Linux.Resources
	r.HugepageLimits = slices.DeleteFunc(r.HugepageLimits, func(l specs.LinuxHugepageLimit) bool { return l.Pagesize == page })
	r.HugepageLimits = append(r.HugepageLimits, specs.LinuxHugepageLimit{Pagesize: page, Limit: uint64(n)})
	return nil
}
