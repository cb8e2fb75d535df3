// SPDX-License-Identifier: Apache-2.0

package cgroup

import "golang.org/x/sys/unix"

// For tests with a driver, whose package imports this one.
var (
	StartIn    = start
	File       = file
	Eventually = eventually
	TestPrefix = testPrefix
)

// TellsDriver has the driver know a limit, and no file.
func (c *Cgroup) TellsDriver(file, value string) error {
	return c.tell([]write{{file: file, value: value}})
}

// Filters counts the device programs that are attached to the cgroup itself.
func (c *Cgroup) Filters() (int, error) {
	dir, err := c.m.unified.open(c.path, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return 0, err
	}
	defer unix.Close(dir)
	fds, err := attachedFilters(dir)
	closeAll(fds)
	return len(fds), err
}
