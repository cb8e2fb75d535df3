// SPDX-License-Identifier: Apache-2.0

package events

import (
	"math"
	"slices"
	"strconv"
	"strings"
)

// The kernel's forms. A line of another form is passed over: newer kernels add some.

// number reads one number, or "max". Some of v1's files wrap: a negative number is 0, as runc has it.
func number(text string) (uint64, bool) {
	s := strings.TrimSpace(text)
	if s == "max" {
		return math.MaxUint64, true
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err == nil {
		return n, true
	}
	if i, err := strconv.ParseInt(s, 10, 64); err == nil && i < 0 {
		return 0, true
	}
	return 0, false
}

// pairs reads memory.stat, cpu.stat and others:
//
//	anon 4096
//	file 0
func pairs(text string) map[string]uint64 {
	m := map[string]uint64{}
	for line := range strings.Lines(text) {
		key, value, ok := strings.Cut(strings.TrimSpace(line), " ")
		if !ok {
			continue
		}
		if n, ok := number(value); ok {
			m[key] = n
		}
	}
	return m
}

// numbers reads cpuacct.usage_percpu: "417383 0 9291".
func numbers(text string) []uint64 {
	var all []uint64
	for s := range strings.FieldsSeq(text) {
		if n, ok := number(s); ok {
			all = append(all, n)
		}
	}
	return all
}

// usageAll reads cpuacct.usage_all:
//
//	cpu user system
//	0 1000 2000
func usageAll(text string) (user, kernel []uint64) {
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 3 {
			continue
		}
		u, ok1 := number(f[1])
		k, ok2 := number(f[2])
		if ok1 && ok2 {
			user, kernel = append(user, u), append(kernel, k)
		}
	}
	return user, kernel
}

// maxListed bounds what a list of CPUs or nodes may come to: CONFIG_NR_CPUS is 8192 at most.
const maxListed = 1 << 14

// list reads cpuset.cpus: "0-2,5".
func list(text string) []uint16 {
	var all []uint16
	for part := range strings.SplitSeq(strings.TrimSpace(text), ",") {
		from, to, isRange := strings.Cut(part, "-")
		if !isRange {
			to = from
		}
		a, err1 := strconv.ParseUint(from, 10, 16)
		b, err2 := strconv.ParseUint(to, 10, 16)
		if err1 != nil || err2 != nil || b < a || len(all)+int(b-a) >= maxListed {
			return nil
		}
		for n := a; n <= b; n++ {
			all = append(all, uint16(n))
		}
	}
	return all
}

// blkio reads v1's counts. A device without an operation has none in the line:
//
//	8:0 Read 4096
//	8:0 12
//	Total 4096
func blkio(text string) []BlkioEntry {
	var all []BlkioEntry
	for line := range strings.Lines(text) {
		f := strings.FieldsFunc(line, func(r rune) bool { return r == ' ' || r == ':' || r == '\n' })
		if len(f) < 3 || f[0] == "Total" {
			continue
		}
		e := BlkioEntry{}
		if len(f) > 3 {
			e.Op = f[2]
		}
		var ok [3]bool
		e.Major, ok[0] = number(f[0])
		e.Minor, ok[1] = number(f[1])
		e.Value, ok[2] = number(f[min(3, len(f)-1)])
		if ok == [3]bool{true, true, true} {
			all = append(all, e)
		}
	}
	return all
}

// ioStat reads v2's io.stat into v1's tables:
//
//	8:0 rbytes=4096 wbytes=0 rios=1 wios=0 dbytes=0 dios=0
func ioStat(text string, b *Blkio) {
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		major, minor, _ := strings.Cut(f[0], ":")
		x, ok1 := number(major)
		y, ok2 := number(minor)
		if !ok1 || !ok2 {
			continue
		}
		for _, item := range f[1:] {
			key, value, _ := strings.Cut(item, "=")
			e := BlkioEntry{Major: x, Minor: y, Op: "Read"}
			if strings.HasPrefix(key, "w") {
				e.Op = "Write"
			}
			var ok bool
			if e.Value, ok = number(value); !ok {
				continue
			}
			switch key {
			case "rbytes", "wbytes":
				b.ServiceBytes = append(b.ServiceBytes, e)
			case "rios", "wios":
				b.Serviced = append(b.Serviced, e)
			}
		}
	}
}

// pressure reads
//
//	some avg10=0.00 avg60=0.00 avg300=0.00 total=0
//	full avg10=0.00 avg60=0.00 avg300=0.00 total=0
func pressure(text string) *PSI {
	var p PSI
	known := false
	for line := range strings.Lines(text) {
		kind, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		to := &p.Some
		switch kind {
		case "some":
		case "full":
			to = &p.Full
		default:
			continue
		}
		known = true
		for item := range strings.FieldsSeq(rest) {
			key, value, _ := strings.Cut(item, "=")
			if key == "total" {
				to.Total, _ = number(value)
				continue
			}
			f, err := strconv.ParseFloat(value, 64)
			if err != nil || math.IsNaN(f) || math.IsInf(f, 0) { // JSON has no such numbers
				continue
			}
			switch key {
			case "avg10":
				to.Avg10 = f
			case "avg60":
				to.Avg60 = f
			case "avg300":
				to.Avg300 = f
			}
		}
	}
	if !known {
		return nil
	}
	return &p
}

// ReadSchemata takes a group's schemata file apart.
//
//	MB:0=100
//	L3:0=fff
func (r *IntelRdt) ReadSchemata(group, root string) {
	for line := range strings.Lines(group) {
		r.Schemata = append(r.Schemata, strings.TrimSpace(line))
	}
	r.Schemata = slices.DeleteFunc(r.Schemata, func(s string) bool { return s == "" })
	r.L3CacheSchema, r.MemBwSchema = schemas(group)
	r.L3CacheSchemaRoot, r.MemBwSchemaRoot = schemas(root)
}

func schemas(text string) (l3, mb string) {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "L3"):
			l3 = line
		case strings.HasPrefix(line, "MB"):
			mb = line
		}
	}
	return l3, mb
}
