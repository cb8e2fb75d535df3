// SPDX-License-Identifier: Apache-2.0

package rootless

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"crisp/test/lane"

	"golang.org/x/sys/unix"
)

// A delegation is a cgroup that the user may make others in. Its commands are in a cgroup of their own below it, for v2 lets no
// processes be where controllers are handed on.
type delegation struct {
	path    string // below each hierarchy
	unified bool   // cgroup v2 alone
	dirs    []string
}

// cgroupName is that of what is delegated.
func cgroupName() string { return fmt.Sprintf("crisp-rootless-%d", os.Getpid()) }

// delegate gives the user a cgroup: of v2, or on v1 of some controllers.
func (u *user) delegate() *delegation {
	u.Helper()
	d := &delegation{path: "/" + cgroupName()}
	roots := []string{"/sys/fs/cgroup/memory", "/sys/fs/cgroup/pids", "/sys/fs/cgroup/freezer"}
	if _, err := os.Stat("/sys/fs/cgroup/cgroup.controllers"); err == nil {
		d.unified, roots = true, []string{"/sys/fs/cgroup"}
		u.must(os.WriteFile("/sys/fs/cgroup/cgroup.subtree_control", []byte("+memory +pids"), 0))
	}
	u.Cleanup(func() {
		if err := lane.RemoveCgroups(d.path); err != nil {
			u.Error(err)
		}
	})
	for _, root := range roots {
		dir := root + d.path
		err := os.Mkdir(dir, 0o755)
		if errors.Is(err, fs.ErrNotExist) {
			u.Skipf("no hierarchy %s", root)
		}
		u.must(err)
		d.dirs = append(d.dirs, dir+"/user")
		if d.unified {
			u.must(os.WriteFile(dir+"/cgroup.subtree_control", []byte("+memory +pids"), 0))
		}
		for _, part := range []string{"/user", "/user/shell"} {
			u.must(os.Mkdir(dir+part, 0o755))
			u.must(os.Chown(dir+part, uid, uid))
			for _, file := range []string{"cgroup.procs", "cgroup.subtree_control", "cgroup.threads"} {
				if err := os.Chown(dir+part+"/"+file, uid, uid); err != nil && !errors.Is(err, fs.ErrNotExist) {
					u.Fatal(err)
				}
			}
		}
	}
	u.cgroup = d
	return d
}

// enter has a command start in the cgroup of the user's commands. The function that it returns is for after that.
func (d *delegation) enter(u *user, c *exec.Cmd) func() {
	u.Helper()
	if d.unified {
		fd, err := unix.Open(d.dirs[0]+"/shell", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		u.must(err)
		c.SysProcAttr.UseCgroupFD, c.SysProcAttr.CgroupFD = true, fd
		return func() { unix.Close(fd) }
	}
	// Root's shell enters, and becomes the user then.
	script := ""
	for _, dir := range d.dirs {
		script += "echo 0 >" + dir + "/shell/tasks; "
	}
	script += fmt.Sprintf(`exec setpriv --reuid %d --regid %d --clear-groups "$@"`, uid, uid)
	c.SysProcAttr.Credential = nil
	c.Path, c.Args = "/bin/sh", append([]string{"sh", "-c", script, "sh"}, c.Args...)
	return func() {}
}

// cgroups finds the directories of a cgroup with that name, whatever it is below.
func (d *delegation) cgroups(t *testing.T, name string) []string {
	t.Helper()
	var found []string
	for _, dir := range d.dirs {
		err := filepath.WalkDir(dir, func(p string, _ fs.DirEntry, err error) error {
			if err == nil && filepath.Base(p) == name {
				found = append(found, p)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return found
}

// read returns a file of the container's cgroup, by its name on v2 and on v1.
func (d *delegation) read(t *testing.T, name, v2, v1 string) string {
	t.Helper()
	for _, dir := range d.cgroups(t, name) {
		file := v1
		if d.unified {
			file = v2
		}
		if b, err := os.ReadFile(filepath.Join(dir, file)); err == nil {
			return strings.TrimSpace(string(b))
		}
	}
	t.Fatalf("no cgroup %s with %s or %s", name, v2, v1)
	return ""
}
