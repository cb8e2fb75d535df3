// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"crisp/test/build"
)

// runtime is one that is measured. All of them take runc's command line.
type runtime struct {
	name    string
	path    string
	version string
	root    string // its --root
}

// command is a command line for the launcher.
func (r runtime) command(args ...string) []string {
	return append([]string{r.path, "--root", r.root}, args...)
}

// runtimes are ours, first, and the peers that are here. A missing one is told by the notes.
func runtimes(ctx context.Context, dir string) (found []runtime, notes []string, err error) {
	own, err := build.OCIRuntime()
	if err != nil {
		return nil, nil, err
	}
	candidates := []struct {
		name string
		find func() (string, error)
	}{
		{"crisp-oci", func() (string, error) { return own, nil }},
		{"crun", func() (string, error) { return exec.LookPath("crun") }},
		{"runc (module)", func() (string, error) { return build.Runc(ctx) }},
		{"runc (Debian)", func() (string, error) { return exec.LookPath("runc") }},
	}
	for i, c := range candidates {
		path, err := c.find()
		if err != nil {
			notes = append(notes, fmt.Sprintf("%s is not measured: %v", c.name, err))
			continue
		}
		out, err := exec.CommandContext(ctx, path, "--version").Output()
		if err != nil {
			return nil, nil, fmt.Errorf("%s --version: %w", path, err)
		}
		version, _, _ := strings.Cut(string(out), "\n")
		found = append(found, runtime{name: c.name, path: path, version: version, root: filepath.Join(dir, fmt.Sprint("root", i))})
	}
	return found, notes, nil
}

// cycle runs a container of the bundle through create, start, exec, delete, each a process that is measured.
func (r runtime) cycle(l *launcher, b bundle, record func(step string, u use)) (err error) {
	const id = "cycle"
	pidFile := r.root + ".pid"
	defer func() {
		if err != nil {
			_, cleanupErr := l.run(10*time.Second, r.command("delete", "--force", id)...)
			err = errors.Join(err, cleanupErr)
		}
	}()
	for _, step := range []struct {
		name string
		args []string
	}{
		{"create", []string{"create", "--bundle", b.dir, "--pid-file", pidFile, id}},
		{"start", []string{"start", id}},
		{"exec", []string{"exec", id, "/bin/true"}},
	} {
		u, err := l.run(0, r.command(step.args...)...)
		if err != nil {
			return err
		}
		record(step.name, u)
	}
	if err := r.end(l, pidFile); err != nil {
		return err
	}
	u, err := l.run(0, r.command("delete", id)...)
	if err == nil {
		record("delete", u)
	}
	return err
}

// end kills a container's first process and waits until it is gone.
func (r runtime) end(l *launcher, pidFile string) error {
	pid, err := readPID(pidFile)
	if err != nil {
		return err
	}
	if err := kill(pid); err != nil {
		return err
	}
	return l.wait(pid)
}
