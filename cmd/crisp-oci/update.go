// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"

	"crisp/oci/operation"

	"github.com/opencontainers/runtime-spec/specs-go"
)

func updateCommand() command {
	return command{
		name: "update", summary: "update container resource constraints", args: aboutID, least: 1, most: 1,
		about: "The update command changes limits of a container that exists: all that are given or, on an error, none.",
		options: func(o *options) action {
			var l limits
			var rdt operation.RdtRequest
			l.declare(o)
			o.string(&rdt.L3CacheSchema, "l3-cache-schema", "", "schema of the caches, as in the file schemata of resctrl")
			o.string(&rdt.MemBwSchema, "mem-bw-schema", "", "schema of the memory bandwidth, as in the file schemata of resctrl")
			return simple(func(c *call) error { return update(c, &l, rdt) })
		},
	}
}

// update changes limits, and then what resctrl divides.
func update(c *call, l *limits, rdt operation.RdtRequest) error {
	r, err := l.resources(c.set)
	divides := rdt != operation.RdtRequest{}
	if errors.Is(err, errNoLimit) && divides {
		return c.global.runtime().UpdateRdt(c.ctx, c.args[0], rdt)
	}
	if err == nil {
		err = c.global.runtime().Update(c.ctx, c.args[0], r)
	}
	if err == nil && divides {
		err = c.global.runtime().UpdateRdt(c.ctx, c.args[0], rdt)
	}
	return err
}

var errNoLimit = errors.New("no limit is given")

// limits are the flags of update as they stand on the command line.
type limits struct {
	file   string
	values map[string]*string
}

// A limit is a flag of update and the field that it sets.
type limit struct {
	name, usage string
	set         func(r *specs.LinuxResources, value string) error
}

// limitTable are runc's flags. Sizes may have a unit, and -1 means no limit.
func limitTable() []limit {
	return []limit{
		{"blkio-weight", "weight of block input and output", func(r *specs.LinuxResources, v string) error { return number(v, &r.BlockIO.Weight) }},
		{"cpu-period", "CPU period in microseconds", func(r *specs.LinuxResources, v string) error { return number(v, &r.CPU.Period) }},
		{"cpu-quota", "CPU time in a period, in microseconds", func(r *specs.LinuxResources, v string) error { return number(v, &r.CPU.Quota) }},
		{"cpu-burst", "CPU time over the quota that may be saved up, in microseconds", func(r *specs.LinuxResources, v string) error { return number(v, &r.CPU.Burst) }},
		{"cpu-share", "CPU shares", func(r *specs.LinuxResources, v string) error { return number(v, &r.CPU.Shares) }},
		{"cpu-rt-period", "CPU period of realtime scheduling in microseconds", func(r *specs.LinuxResources, v string) error { return number(v, &r.CPU.RealtimePeriod) }},
		{"cpu-rt-runtime", "realtime CPU time in a period, in microseconds", func(r *specs.LinuxResources, v string) error { return number(v, &r.CPU.RealtimeRuntime) }},
		{"cpuset-cpus", "CPUs to use", func(r *specs.LinuxResources, v string) error { r.CPU.Cpus = v; return nil }},
		{"cpuset-mems", "memory nodes to use", func(r *specs.LinuxResources, v string) error { r.CPU.Mems = v; return nil }},
		{"cpu-idle", "1: run when no other cgroup wants to", func(r *specs.LinuxResources, v string) error { return number(v, &r.CPU.Idle) }},
		{"memory", "memory limit in bytes", func(r *specs.LinuxResources, v string) error { return size(v, &r.Memory.Limit) }},
		{"memory-reservation", "memory soft limit in bytes", func(r *specs.LinuxResources, v string) error { return size(v, &r.Memory.Reservation) }},
		{"memory-swap", "limit of memory and swap together in bytes", func(r *specs.LinuxResources, v string) error { return size(v, &r.Memory.Swap) }},
		{"kernel-memory", "(obsolete: the kernel has no such limit any more)", func(*specs.LinuxResources, string) error { return nil }},
		{"kernel-memory-tcp", "(obsolete: the kernel has no such limit any more)", func(*specs.LinuxResources, string) error { return nil }},
		{"pids-limit", "limit of processes, -1 for none", func(r *specs.LinuxResources, v string) error { return number(v, &r.Pids.Limit) }},
	}
}

func (l *limits) declare(o *options) {
	o.string(&l.file, "resources, r", "", `path of a file with the limits as JSON (linux.resources of config.json), "-" for standard input`)
	l.values = map[string]*string{}
	for _, t := range limitTable() {
		l.values[t.name] = new(string)
		o.string(l.values[t.name], t.name, "", t.usage)
	}
}

// resources are the limits that were given.
func (l *limits) resources(given map[string]bool) (*specs.LinuxResources, error) {
	if given["resources"] {
		return operation.ReadResources(l.file)
	}
	r := &specs.LinuxResources{CPU: &specs.LinuxCPU{}, Memory: &specs.LinuxMemory{}, Pids: &specs.LinuxPids{}, BlockIO: &specs.LinuxBlockIO{}}
	any := false
	for _, t := range limitTable() {
		if !given[t.name] || *l.values[t.name] == "" {
			continue
		}
		any = true
		if err := t.set(r, *l.values[t.name]); err != nil {
			return nil, fmt.Errorf("invalid value for %s: %w", t.name, err)
		}
	}
	if !any {
		return nil, errNoLimit
	}
	if r.BlockIO.Weight == nil { // whose controller need not be there
		r.BlockIO = nil
	}
	return r, nil
}
