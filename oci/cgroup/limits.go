// SPDX-License-Identifier: Apache-2.0

package cgroup

import (
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
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
	writes  []write
	errs    []error
}

// translate turns the resources into writes, in their order. c is nil for a new cgroup.
func (m *Manager) translate(r *specs.LinuxResources, c *Cgroup) ([]write, error) {
	t := &translator{version: m.version, warn: m.warnOnce}
	if c != nil {
		t.current = func(controller, file string) (string, error) {
			return m.controller(controller).read(path.Join(c.path, file))
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

// hugetlb ignores a host without the controller: the kubelet sends limits of 0 for all page sizes to every container.
func (t *translator) hugetlb(limits []specs.LinuxHugepageLimit) {
	suffix := ".max"
	switch t.version("hugetlb") {
	case 0:
		if len(limits) > 0 {
			t.warn("hugepage limits are not enforced: no hugetlb controller", "hugetlb")
		}
		return
	case 1:
		suffix = ".limit_in_bytes"
	}
	for _, l := range limits {
		if strings.ContainsAny(l.Pagesize, "/\n") {
			t.fail(ErrInvalid, "hugepage size %q", l.Pagesize)
			continue
		}
		w := write{controller: "hugetlb", file: "hugetlb." + l.Pagesize + suffix, value: strconv.FormatUint(l.Limit, 10)}
		t.writes = append(t.writes, w)
		w.file, w.optional = "hugetlb."+l.Pagesize+".rsvd"+suffix, true // since Linux 5.7
		t.writes = append(t.writes, w)
	}
}

// network is v1 only. On v2 there is nothing in its place, and runc ignores it as well.
func (t *translator) network(n *specs.LinuxNetwork) {
	if n == nil {
		return
	}
	if t.version("cpu") == 2 || t.version("memory") == 2 {
		t.warn("network classes and priorities are not enforced on cgroup v2", "network")
		return
	}
	if n.ClassID != nil && t.need("net_cls") != 0 {
		t.put("net_cls", "net_cls.classid", strconv.FormatUint(uint64(*n.ClassID), 10))
	}
	for _, p := range n.Priorities {
		if t.need("net_prio") == 0 {
			return
		}
		if strings.ContainsAny(p.Name, " \n") {
			t.fail(ErrInvalid, "network interface %q", p.Name)
			continue
		}
		w := write{controller: "net_prio", file: "net_prio.ifpriomap", value: fmt.Sprintf("%s %d", p.Name, p.Priority)}
		w.old = oldOfKey(p.Name, p.Name+" 0")
		t.writes = append(t.writes, w)
	}
}

// rdma has the same file on v1 and v2.
func (t *translator) rdma(limits map[string]specs.LinuxRdma) {
	for _, device := range sortedKeys(limits) {
		if t.need("rdma") == 0 {
			return
		}
		if strings.ContainsAny(device, " \n") {
			t.fail(ErrInvalid, "rdma device %q", device)
			continue
		}
		value := device
		if n := limits[device].HcaHandles; n != nil {
			value += " hca_handle=" + strconv.FormatUint(uint64(*n), 10)
		}
		if n := limits[device].HcaObjects; n != nil {
			value += " hca_object=" + strconv.FormatUint(uint64(*n), 10)
		}
		t.writes = append(t.writes, write{
			controller: "rdma", file: "rdma.max", value: value, old: oldOfKey(device, device+" hca_handle=max hca_object=max"),
		})
	}
}

// unified writes files by name, v2 only, in the order of their names.
func (t *translator) unified(files map[string]string) {
	for _, file := range sortedKeys(files) {
		controller, rest, _ := strings.Cut(file, ".")
		switch {
		case t.version("memory") != 2 && t.version("pids") != 2:
			t.fail(ErrNoController, "unified %q needs cgroup v2", file)
			return
		case rest == "" || strings.Contains(file, "/"):
			t.fail(ErrInvalid, "unified key %q", file)
		case controller == "cgroup" && !strings.HasPrefix(rest, "max."):
			// The others move, kill or stop processes, or are the runtime's own business.
			t.fail(ErrInvalid, "unified key %q", file)
		default:
			for _, value := range strings.Split(strings.TrimRight(files[file], "\n"), "\n") {
				w := write{controller: controller, file: file, value: value}
				if key, _, _ := strings.Cut(value, " "); file == "io.max" {
					w.old = oldOfKey(key, key+ioMaxDefault)
				}
				t.writes = append(t.writes, w)
			}
		}
	}
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

// apply writes the limits of a new cgroup.
func (m *Manager) apply(p string, writes []write) error {
	_, err := m.run(p, writes, false)
	return err
}

// Set changes the given limits; what r leaves out stays. Either all of it is done or nothing: on an error what was written is
// written back.
func (c *Cgroup) Set(r *specs.LinuxResources) error {
	if r == nil {
		return nil
	}
	if err := c.set(r); err != nil {
		return fmt.Errorf("cgroup %s: %w", c.Path(), err)
	}
	return nil
}

func (c *Cgroup) set(r *specs.LinuxResources) error {
	writes, err := c.m.translate(r, c)
	if err != nil {
		return err
	}
	done, err := c.m.run(c.path, writes, true)
	if err == nil && r.Devices != nil {
		err = c.setDevices(r.Devices)
	}
	if err == nil {
		return nil
	}
	if errors.Is(err, unix.EBUSY) { // what v1 says when it cannot reclaim enough
		err = fmt.Errorf("%w: %w", ErrBelowUsage, err)
	}
	for i := len(done) - 1; i >= 0; i-- {
		w := done[i]
		if restoreErr := c.m.write(c.path, w); restoreErr != nil {
			err = errors.Join(err, fmt.Errorf("restore: %w", restoreErr))
		}
	}
	return err
}

// run applies writes. With keep it returns what would restore the files, also on error.
func (m *Manager) run(p string, writes []write, keep bool) (old []write, err error) {
	var later []write
	for _, w := range writes {
		if keep {
			if before, ok := m.before(p, w); ok {
				old = append(old, before)
			}
		}
		err := m.write(p, w)
		if w.later && errors.Is(err, unix.EINVAL) {
			later = append(later, w)
			continue
		}
		if err != nil {
			return old, err
		}
	}
	for _, w := range later {
		if err := m.write(p, w); err != nil {
			return old, err
		}
	}
	return old, nil
}

// before returns the write that restores what w is going to overwrite.
func (m *Manager) before(p string, w write) (write, bool) {
	h := m.controller(w.controller)
	if h == nil {
		return write{}, false
	}
	content, err := h.read(path.Join(p, w.file))
	if err != nil && w.or != nil {
		return m.before(p, *w.or)
	}
	if err != nil {
		return write{}, false
	}
	value := strings.TrimSpace(content)
	if w.old != nil {
		value = w.old(content)
	}
	if value == w.value {
		return write{}, false
	}
	if value == "" { // write(2) of nothing reaches no file
		value = "\n"
	}
	return write{controller: w.controller, file: w.file, value: value, optional: w.optional, later: w.later}, true
}

func (m *Manager) write(p string, w write) error {
	h := m.controller(w.controller)
	if h == nil && w.controller == "cgroup" {
		h = m.unified
	}
	if h == nil {
		return fmt.Errorf("%w: %s", ErrNoController, w.controller)
	}
	err := h.write(path.Join(p, w.file), w.value)
	if !errors.Is(err, unix.ENOENT) {
		return err
	}
	switch {
	case w.or != nil:
		return m.write(p, *w.or)
	case w.optional:
		return nil
	}
	return fmt.Errorf("%w: %w", ErrNoController, err)
}
