// SPDX-License-Identifier: Apache-2.0

package rdt

import (
	"errors"
	"fmt"
	"path"
	"strconv"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// Update changes schemata of a group: both or, when the kernel refuses one, none.
func (g *Group) Update(l3CacheSchema, memBwSchema string) error {
	var lines []string
	for _, line := range []string{l3CacheSchema, memBwSchema} {
		if line != "" {
			lines = append(lines, line)
		}
	}
	if err := g.write(lines); err != nil {
		return fmt.Errorf("resctrl: %s: %w", g.class, err)
	}
	return nil
}

// Enter moves processes, with all their threads, into a group that was made after them. One that has ended meanwhile is no error.
func (g *Group) Enter(id string, c *specs.LinuxIntelRdt, pids []int) error {
	for _, name := range TaskFiles(id, c) {
		for _, pid := range pids {
			if err := g.fs.enter(name, pid); err != nil {
				return fmt.Errorf("resctrl: %w", err)
			}
		}
	}
	return nil
}

func (f *FS) enter(name string, pid int) error {
	err := f.writeFile(name, strconv.Itoa(pid))
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	return err
}

// Schemata are the schemata files of the group's class and of the root.
func (g *Group) Schemata() (class, root string, err error) {
	b, err := g.fs.root.ReadFile(path.Join(g.class, "schemata"))
	if err != nil {
		return "", "", fmt.Errorf("resctrl: %w", err)
	}
	all, err := g.fs.root.ReadFile("schemata")
	if err != nil {
		return "", "", fmt.Errorf("resctrl: %w", err)
	}
	return string(b), string(all), nil
}
