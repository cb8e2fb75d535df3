// SPDX-License-Identifier: Apache-2.0

package cgroup

import (
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// A write is a value for a file of the cgroup. Resources are first translated to writes, which needs no host, then applied.
type write struct {
	controller  string
	file, value string
	// later: the value and another one bound each other (quota and period). EINVAL at first is no error; it is tried again last.
	later bool
	// optional: a host without the file is fine.
	optional bool
	// or is written instead on a host without the file.
	or *write
	// old extracts from the file's content what has to be written to restore it; nil: all of it.
	old func(content string) string
}

// A translator collects the writes for resources.
type translator struct {
	version func(controller string) int // 1, 2, 0: not there
	// current reads the cgroup's file; nil when the cgroup is new.
	current func(controller, file string) (string, error)
	warn    func(msg, object string)
	// percents: CPU quotas are whole percents of a CPU, which is what systemd keeps of them.
	percents bool
	writes   []write
	errs     []error
}

// translate turns the resources into writes, in their order.
func (c *Cgroup) translate(r *specs.LinuxResources, isNew bool) ([]write, error) {
	t := &translator{version: c.m.version, warn: c.m.warnOnce, percents: c.unit != nil}
	if !isNew {
		t.current = func(controller, file string) (string, error) {
			return c.m.controller(controller).read(path.Join(c.path, file))
		}
	}
	t.resources(r)
	return t.writes, errors.Join(t.errs...)
}

func (t *translator) resources(r *specs.LinuxResources) {
	t.cpuset(r.CPU)
	t.memory(r.Memory)
	t.cpu(r.CPU)
	t.pids(r.Pids)
	t.hugetlb(r.HugepageLimits)
	t.blockIO(r.BlockIO)
	t.network(r.Network)
	t.rdma(r.Rdma)
	t.unified(r.Unified)
}

func (t *translator) put(controller, file, value string) {
	t.writes = append(t.writes, write{controller: controller, file: file, value: value})
}

func (t *translator) fail(err error, format string, args ...any) {
	t.errs = append(t.errs, fmt.Errorf("%w: %s", err, fmt.Sprintf(format, args...)))
}

// need returns the controller's version, and adds an error when there is none.
func (t *translator) need(controller string) int {
	v := t.version(controller)
	if v == 0 {
		t.fail(ErrNoController, "%s", controller)
	}
	return v
}

// currentUint reads a number of the existing cgroup. ok is false for a new cgroup and for a file that is not there; "max" and
// what v1 says for it are NoLimit.
func (t *translator) currentUint(controller, file string) (n uint64, ok bool) {
	if t.current == nil {
		return 0, false
	}
	s, err := t.current(controller, file)
	if err != nil {
		return 0, false
	}
	return parseLimit(strings.TrimSpace(s))
}

// parseLimit reads a number or "max". PAGE_COUNTER_MAX, rounded to pages, is what v1 says for no limit.
func parseLimit(s string) (uint64, bool) {
	if s == "max" || s == "-1" {
		return NoLimit, true
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if n >= 1<<62 {
		n = NoLimit
	}
	return n, err == nil
}

// limitString writes a limit of the spec for v2: negative is none.
func limitString(n int64) string {
	if n < 0 {
		return "max"
	}
	return strconv.FormatInt(n, 10)
}

func (t *translator) pids(p *specs.LinuxPids) {
	if p == nil || p.Limit == nil || t.need("pids") == 0 {
		return
	}
	if *p.Limit <= 0 { // 0 is what engines send for no limit
		t.put("pids", "pids.max", "max")
		return
	}
	t.put("pids", "pids.max", strconv.FormatInt(*p.Limit, 10))
}

// oldOfKey finds the line that starts with the key; without one it is what the key has by default.
func oldOfKey(key, byDefault string) func(string) string {
	return func(content string) string {
		for line := range strings.Lines(content) {
			if strings.HasPrefix(line, key+" ") {
				return strings.TrimSpace(line)
			}
		}
		return byDefault
	}
}
