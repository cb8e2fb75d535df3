// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"errors"
	"fmt"
	"os"

	"crisp/conmon/plan"
	"crisp/oci/rdt"
)

// requestResctrl requests the files by which the process enters its resctrl group.
func (a *assembly) requestResctrl() {
	for _, name := range rdt.TaskFiles(a.opts.ID, a.spec.Linux.IntelRdt) {
		r := a.file(FileRequest{Kind: FileResctrl, Path: name, Note: "open the resctrl group"})
		a.resctrl = append(a.resctrl, r)
	}
}

// enterResctrl moves the process into its resctrl group: its class first, which the monitoring group belongs to.
func (a *assembly) enterResctrl() {
	for _, r := range a.resctrl {
		a.about("enter the resctrl group")
		s := a.step(plan.OpWrite)
		s.FD, s.Blob = r, []byte("0")
		a.close(r)
	}
}

// resctrlFS opens the resctrl file system. A machine that has one mounts it at boot: it is not kept open.
func (r *Runtime) resctrlFS() (*rdt.FS, error) {
	if r.resctrlRoot != "" {
		return rdt.Open(r.resctrlRoot)
	}
	mounts, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	defer mounts.Close()
	return rdt.Find(mounts)
}

func (r *Runtime) openResctrl(name string) (*os.File, error) {
	fs, err := r.resctrlFS()
	if err != nil {
		return nil, err
	}
	defer fs.Close()
	return fs.OpenTasks(name)
}

// makeResctrl makes the group of a new container.
func (r *Runtime) makeResctrl(c *Container, undo *cleanup) error {
	if c.linux.IntelRdt == nil {
		return nil
	}
	fs, err := r.resctrlFS()
	if err != nil {
		return fmt.Errorf("linux.intelRdt: %w", err)
	}
	defer fs.Close()
	g, err := fs.Make(c.ID, c.linux.IntelRdt)
	if err != nil {
		return fmt.Errorf("linux.intelRdt: %w", err)
	}
	undo.push(func() {
		if err := c.dropResctrl(g); err != nil {
			r.log.Error("resctrl group of a failed container stays", "container", c.ID, "error", err)
		}
	})
	return nil
}

// removeResctrl removes what of the container's group is its own. When resctrl was unmounted meanwhile, nothing is left.
func (c *Container) removeResctrl() error {
	if c.linux.IntelRdt == nil {
		return nil
	}
	err := c.dropResctrl(nil)
	if err == nil || errors.Is(err, rdt.ErrNotMounted) {
		return nil
	}
	return fmt.Errorf("linux.intelRdt: %w", err)
}

// dropResctrl removes a group: the one that was just made, with a class that is new, or the container's.
func (c *Container) dropResctrl(made *rdt.Group) error {
	fs, err := c.runtime.resctrlFS()
	if err != nil {
		return err
	}
	defer fs.Close()
	if made != nil {
		return fs.Undo(made)
	}
	g, err := fs.Group(c.ID, c.linux.IntelRdt)
	if err != nil {
		return err
	}
	return g.Remove()
}
