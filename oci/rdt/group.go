// SPDX-License-Identifier: Apache-2.0

package rdt

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"

	"github.com/moby/sys/mountinfo"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// FS is a mounted resctrl file system.
type FS struct {
	root *os.Root
	// What a test does itself, for want of a kernel that fills new groups with files, removes groups that have some, and
	// understands what is written into schemata.
	mkdir func(name string, mode os.FileMode) error
	rmdir func(name string) error
	set   func(name, text string) error
}

// Find opens the resctrl file system among the mounts in a text like /proc/self/mountinfo. ErrNotMounted when there is none.
func Find(mounts io.Reader) (*FS, error) {
	all, err := mountinfo.GetMountsFromReader(mounts, func(m *mountinfo.Info) (skip, stop bool) {
		return m.FSType != "resctrl", m.FSType == "resctrl"
	})
	if err != nil {
		return nil, fmt.Errorf("mountinfo: %w", err)
	}
	if len(all) == 0 {
		return nil, ErrNotMounted
	}
	f, err := Open(all[0].Mountpoint)
	if err != nil {
		return nil, err
	}
	var st unix.Statfs_t
	if err := unix.Statfs(all[0].Mountpoint, &st); err != nil || st.Type != unix.RDTGROUP_SUPER_MAGIC { // something is mounted over it
		f.Close()
		return nil, fmt.Errorf("%s: %w", all[0].Mountpoint, ErrNotMounted)
	}
	return f, nil
}

// Open opens the resctrl file system at a path.
func Open(root string) (*FS, error) {
	r, err := os.OpenRoot(root)
	if err != nil {
		return nil, err
	}
	f := &FS{root: r, mkdir: r.Mkdir, rmdir: r.Remove}
	f.set = f.writeFile
	return f, nil
}

// Close closes the FS. Groups stay as they are.
func (f *FS) Close() error { return f.root.Close() }

// A Group is a container's place in resctrl.
type Group struct {
	fs    *FS
	class string // below the root
	mon   string // the monitoring group below the root; "": none
	own   bool   // the class is the container's
	made  bool   // the class was made by Make
}

// groupNames are the directories of a container below the root: its class, and its monitoring group, "" for none.
func groupNames(id string, c *specs.LinuxIntelRdt) (class, mon string) {
	switch class = c.ClosID; class {
	case "":
		class = id
	case defaultClass:
		class = "."
	}
	if c.EnableMonitoring {
		mon = path.Join(class, "mon_groups", id)
	}
	return class, mon
}

// Group names the group of a container that was made before.
func (f *FS) Group(id string, c *specs.LinuxIntelRdt) (*Group, error) {
	names := []string{id}
	if c.ClosID != "" && c.ClosID != defaultClass {
		names = append(names, c.ClosID)
	}
	for _, name := range names {
		if reason := checkName(name); reason != "" {
			return nil, fmt.Errorf("resctrl group %q: %s", name, reason)
		}
	}
	g := &Group{fs: f, own: c.ClosID == ""}
	g.class, g.mon = groupNames(id, c)
	return g, nil
}

// Make makes the group of a new container. On an error nothing is left.
func (f *FS) Make(id string, c *specs.LinuxIntelRdt) (*Group, error) {
	g, err := f.Group(id, c)
	if err != nil {
		return nil, err
	}
	g.made, err = g.makeClass(c)
	if err == nil && g.mon != "" {
		if err = f.mkdir(g.mon, 0o755); errors.Is(err, fs.ErrExist) {
			err = fmt.Errorf("monitoring group %s: %w", g.mon, ErrExists)
		}
		err = f.explain(err)
	}
	if err != nil {
		if g.made {
			err = errors.Join(err, f.remove(g.class))
		}
		return nil, fmt.Errorf("resctrl: %w", err)
	}
	return g, nil
}

// makeClass finds or makes the directory and sets its schemata; made says that it is to be removed on an error.
func (g *Group) makeClass(c *specs.LinuxIntelRdt) (made bool, err error) {
	_, err = g.fs.root.Stat(g.class)
	there := err == nil
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	none := c.L3CacheSchema == "" && c.MemBwSchema == "" && len(c.Schemata) == 0
	switch {
	case there && g.own:
		return false, fmt.Errorf("%s: %w", g.class, ErrExists)
	case there:
		if err := g.compare(c); err != nil {
			return false, fmt.Errorf("%s: %w", g.class, err)
		}
		return false, g.write(c.Schemata)
	case none && !g.own:
		return false, fmt.Errorf("%s: %w", g.class, ErrNoClass)
	}
	if err := g.fs.mkdir(g.class, 0o755); err != nil {
		return false, g.fs.explain(err)
	}
	// The kernel refuses a domain that stands twice in one write, so that what comes later could not overrule it.
	for _, lines := range [][]string{{c.L3CacheSchema}, {c.MemBwSchema}, c.Schemata} {
		if err := g.write(lines); err != nil {
			return true, err
		}
	}
	return true, nil
}

// compare holds the schemata of a class that is there against the container's.
func (g *Group) compare(c *specs.LinuxIntelRdt) error {
	if c.L3CacheSchema == "" && c.MemBwSchema == "" {
		return nil
	}
	text, err := g.fs.root.ReadFile(path.Join(g.class, "schemata"))
	if err != nil {
		return err
	}
	have, err := parseSchemata(string(text))
	if err != nil {
		return err
	}
	for _, line := range []string{c.L3CacheSchema, c.MemBwSchema} {
		if line == "" {
			continue
		}
		if err := have.agrees(line, g.fs.granularity()); err != nil {
			return err
		}
	}
	return nil
}

// granularity is what the kernel rounds bandwidths up to; 0: unknown.
func (f *FS) granularity() uint64 {
	text, err := f.root.ReadFile("info/MB/bandwidth_gran")
	if err != nil {
		return 0
	}
	n, _ := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 32)
	return n
}

// write writes lines into schemata in one call, which the kernel takes as a whole or not at all.
func (g *Group) write(lines []string) error {
	text := strings.Join(lines, "\n")
	if strings.TrimSpace(text) == "" {
		return nil
	}
	return g.fs.explain(g.fs.set(path.Join(g.class, "schemata"), text+"\n"))
}

// writeFile writes a text in one call. os.Root.WriteFile would truncate the file, which means nothing here.
func (f *FS) writeFile(name, text string) error {
	file, err := f.root.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = file.WriteString(text)
	return errors.Join(err, file.Close())
}

// explain adds what the kernel says about the last failure.
func (f *FS) explain(err error) error {
	if err == nil || errors.Is(err, ErrExists) {
		return err
	}
	status, readErr := f.root.ReadFile("info/last_cmd_status")
	if s := strings.TrimSpace(string(status)); readErr == nil && s != "" && s != "ok" {
		return fmt.Errorf("%w (%s)", err, s)
	}
	return err
}

// TaskFiles are the names, below the root, of the files that a process enters its group by: it writes "0" to each, in this order. Nil
// for a container without linux.intelRdt.
func TaskFiles(id string, c *specs.LinuxIntelRdt) []string {
	if c == nil {
		return nil
	}
	class, mon := groupNames(id, c)
	names := []string{path.Join(class, "tasks")}
	if mon != "" {
		names = append(names, path.Join(mon, "tasks"))
	}
	return names
}

// OpenTasks opens one of the TaskFiles.
func (f *FS) OpenTasks(name string) (*os.File, error) {
	file, err := f.root.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		return nil, fmt.Errorf("resctrl: %w", err)
	}
	return file, nil
}

// Remove removes what is the container's own. What is gone already is no error. Tasks that are left in it fall back to the class above
// (resctrl.rst).
func (g *Group) Remove() error {
	var err error
	if g.mon != "" {
		err = g.fs.remove(g.mon)
	}
	if g.own {
		err = errors.Join(err, g.fs.remove(g.class))
	}
	return err
}

// Undo removes everything that Make made for a container that is not to be: also a class with a closID.
func (f *FS) Undo(g *Group) error {
	u := *g
	u.fs, u.own = f, g.made
	return u.Remove()
}

func (f *FS) remove(name string) error {
	err := f.rmdir(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
