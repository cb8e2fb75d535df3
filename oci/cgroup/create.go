// SPDX-License-Identifier: Apache-2.0

package cgroup

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// undoTimeout bounds the removal of what a failed Create made.
const undoTimeout = 5 * time.Second

// A Request says what cgroup to make.
type Request struct {
	// Path is a cgroupsPath, like "/kubepods/pod1/crisp-ab12", or "kubepods-pod1.slice:crisp:ab12" where there is a driver.
	Path        string
	Resources   *specs.LinuxResources // nil: no limits
	Annotations map[string]string     // of the container; for the driver
}

// Create is Make of a path with resources.
func (m *Manager) Create(cgroupsPath string, r *specs.LinuxResources) (*Cgroup, error) {
	return m.Make(context.Background(), Request{Path: cgroupsPath, Resources: r})
}

// Make makes the cgroup, and its parents where they are missing. One that exists is taken over when it has no
// processes, otherwise the error is ErrBusy. Access to devices is denied but for those that the resources allow and DefaultDevices.
// Nothing of it is left on error, except parents.
func (m *Manager) Make(ctx context.Context, q Request) (*Cgroup, error) {
	c, err := m.at(q.Path)
	if err != nil {
		return nil, err
	}
	r := q.Resources
	if r == nil {
		r = &specs.LinuxResources{}
	}
	writes, err := c.translate(r, true)
	if err != nil {
		return nil, fmt.Errorf("cgroup %s: %w", c.Path(), err)
	}
	if c.unit != nil {
		if writes, err = c.startUnit(ctx, &q, writes); err != nil {
			return nil, err
		}
	}
	var made []*hierarchy
	undo := func(err error) error {
		ctx, cancel := context.WithTimeout(context.Background(), undoTimeout)
		defer cancel()
		err = fmt.Errorf("cgroup %s: %w", c.Path(), err)
		if c.unit != nil {
			return errors.Join(err, c.Remove(ctx))
		}
		return errors.Join(err, c.removeFrom(ctx, made))
	}
	for _, h := range m.hierarchies {
		ok, err := c.make(h)
		if ok {
			made = append(made, h)
		}
		if err != nil {
			return nil, undo(err)
		}
	}
	if err := m.limit(c.path, writes); err != nil {
		return nil, undo(err)
	}
	if err := c.setDevices(r.Devices); err != nil {
		return nil, undo(err)
	}
	return c, nil
}

// limit writes the limits of a new cgroup.
func (m *Manager) limit(p string, writes []write) error {
	enableErr := m.enableControllers(p)
	_, err := m.run(p, writes, false)
	if m.mode == V2 && errors.Is(err, unix.ENOENT) {
		// Another Create may be switching controllers on at this moment: the kernel lists them before their files are there. Writing
		// to cgroup.subtree_control, even what it says already, waits for that.
		enableErr = m.enableAgain(p)
		_, err = m.run(p, writes, false)
	}
	if err != nil {
		return errors.Join(err, enableErr)
	}
	return nil
}

// make makes the directory in one hierarchy. made is true also when a later step failed.
func (c *Cgroup) make(h *hierarchy) (made bool, err error) {
	p := c.path
	if made, err = h.mkdir(p); err != nil {
		return made, err
	}
	if made {
		return true, h.prepare(p)
	}
	if c.unit != nil { // the driver has made it, and has a process in it
		return false, nil
	}
	procs, err := h.read(path.Join(p, "cgroup.procs"))
	if err == nil && procs != "" {
		err = fmt.Errorf("%w: %s has processes %s", ErrBusy, path.Join(h.dir, p), strings.Join(strings.Fields(procs), " "))
	}
	if err == nil && h.frozen(p) {
		err = fmt.Errorf("%w: %s", ErrFrozen, path.Join(h.dir, p))
	}
	return false, err
}

// frozen says whether somebody has frozen a cgroup, or has asked for that.
func (h *hierarchy) frozen(p string) bool {
	name, thawed := "cgroup.freeze", "0"
	if !h.v2 {
		if !slices.Contains(h.available(), "freezer") {
			return false
		}
		name, thawed = "freezer.state", "THAWED"
	}
	state, err := h.read(path.Join(p, name))
	return err == nil && strings.TrimSpace(state) != thawed
}

// wantedControllers are switched on for every container on v2, for its limits now and later and for its stats. Others, like
// rdma, are left as they are.
var wantedControllers = []string{"cpuset", "cpu", "io", "memory", "hugetlb", "pids"}

// enableControllers switches the wanted controllers on in all parents of the v2 cgroup. The kubelet has done it for its pods: then
// this is one read. What cannot be switched on is an error only for those who want to write a limit of it.
func (m *Manager) enableControllers(p string) error {
	if m.mode != V2 {
		return nil
	}
	h := m.unified
	missing := func(dir, file string) []string {
		have, _ := h.read(path.Join(dir, file))
		return slices.DeleteFunc(slices.Clone(wantedControllers), func(c string) bool {
			return !slices.Contains(h.available(), c) || slices.Contains(strings.Fields(have), c)
		})
	}
	if len(missing(p, "cgroup.controllers")) == 0 {
		return nil
	}
	return forParents(p, func(dir string) error {
		if names := missing(dir, "cgroup.subtree_control"); len(names) > 0 {
			return h.enable(dir, names)
		}
		return nil
	})
}

// enableAgain switches on in all parents whatever is said of them already.
func (m *Manager) enableAgain(p string) error {
	names := slices.DeleteFunc(slices.Clone(wantedControllers), func(c string) bool { return !slices.Contains(m.unified.available(), c) })
	return forParents(p, func(dir string) error { return m.unified.enable(dir, names) })
}

// forParents calls f for the root and every directory on the way to p.
func forParents(p string, f func(dir string) error) error {
	var errs []error
	dir := "."
	for _, element := range strings.Split(p, "/") {
		errs = append(errs, f(dir))
		dir = path.Join(dir, element)
	}
	return errors.Join(errs...)
}

// inhabited says whether a cgroup has processes, which only the root may have beside children with controllers. The kernel lets some controllers be
// switched on there all the same, and then nobody into the children (cgroup-v2.rst, "Threads").
func (h *hierarchy) inhabited(dir string) bool {
	if _, err := h.read(path.Join(dir, "cgroup.type")); err != nil { // the root has none
		return false
	}
	procs, err := h.read(path.Join(dir, "cgroup.procs"))
	return err == nil && procs != ""
}

// enable switches controllers on: together, or else each that can be.
func (h *hierarchy) enable(dir string, names []string) error {
	if h.inhabited(dir) {
		return fmt.Errorf("%s: controllers cannot be switched on where processes are: %w", path.Join(h.dir, dir), unix.EBUSY)
	}
	file := path.Join(dir, "cgroup.subtree_control")
	if h.write(file, "+"+strings.Join(names, " +")) == nil {
		return nil
	}
	var errs []error
	for _, name := range names {
		if err := h.write(file, "+"+name); err != nil && !errors.Is(err, unix.ENOENT) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
