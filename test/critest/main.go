// SPDX-License-Identifier: Apache-2.0

// Command critest runs the CRI's validation suite (sigs.k8s.io/cri-tools, pinned in test/tools) against a scratch crisp, prints what
// passed, failed and was skipped, and compares that with passing.txt:
//
//	go run ./test/critest                  fails when a spec of passing.txt fails, or something is left behind
//	go run ./test/critest -focus REGEXP    only these specs
//	go run ./test/critest -update          adds the specs that pass to passing.txt
//
// The suite's output and the daemon's log stay in test/.cache/critest.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"crisp/test/build"
	"crisp/test/images"
	"crisp/test/lane"
	"crisp/test/leak"
)

type options struct {
	focus  string
	skip   string
	update bool
}

func main() {
	var o options
	flag.StringVar(&o.focus, "focus", "", "run only specs that match this `regexp`")
	flag.StringVar(&o.skip, "skip", "", "leave out specs that match this `regexp`")
	flag.BoolVar(&o.update, "update", false, "add the specs that pass to passing.txt")
	flag.Parse()
	ctx := context.Background()
	os.Exit(lane.Run(ctx, func(l *lane.Lane) int {
		if err := run(ctx, l, o); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return 0
	}, build.Critest))
}

func run(ctx context.Context, l *lane.Lane, o options) (err error) {
	root, err := build.Root()
	if err != nil {
		return err
	}
	s := suite{options: o, lane: l, artifacts: filepath.Join(root, "test", ".cache", "critest")}
	if err := os.MkdirAll(s.artifacts, 0o755); err != nil {
		return err
	}
	specs, err := s.run(ctx)
	if len(specs) == 0 {
		return err
	}
	return errors.Join(err, s.judge(specs, filepath.Join(root, "test", "critest", "passing.txt")))
}

// suite is one run of critest.
type suite struct {
	options
	lane      *lane.Lane
	artifacts string
}

// run starts a daemon and the suite, and looks for leaks with the daemon still there and after it.
func (s suite) run(ctx context.Context) (specs []spec, err error) {
	dir, err := s.lane.NewDir()
	if err != nil {
		return nil, err
	}
	scope := s.lane.Scope(dir)
	scope.Dirs = nil // the daemon's own files below its state directory come and go with it
	ignore := scope.Ignore
	// critest makes two SysV segments and leaves them; they end with the lane's IPC namespace.
	scope.Ignore = func(kind, name string) bool { return kind == "shm" || ignore(kind, name) }
	before, err := leak.Take(scope)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.lane.Clear(dir)) }()
	d, err := s.lane.Start(ctx, dir)
	if err != nil {
		return nil, err
	}
	specs, err = s.critest(ctx, dir, d.Socket())
	return specs, errors.Join(err, d.Stop(), d.Close(), lane.Leaks(ctx, scope, before),
		copyFile(d.LogPath(), filepath.Join(s.artifacts, "daemon.log")))
}

// critest runs the suite with a TMPDIR of its own: it leaves files there, and mounts while it runs.
func (s suite) critest(ctx context.Context, dir, socket string) ([]spec, error) {
	binary, err := build.Critest(ctx)
	if err != nil {
		return nil, err
	}
	patched, report, tmp := filepath.Join(dir, "critest"), filepath.Join(dir, "report.json"), filepath.Join(dir, "tmp")
	if err := images.PatchCritest(binary, patched); err != nil {
		return nil, err
	}
	if err := os.Mkdir(tmp, 0o755); err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(s.artifacts, "critest.log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	args := []string{"-config=/dev/null", "-runtime-endpoint=unix://" + socket, "-image-endpoint=unix://" + socket,
		"-ginkgo.json-report=" + report, "-ginkgo.no-color", "-ginkgo.timeout=20m"}
	if s.focus != "" {
		args = append(args, "-ginkgo.focus="+s.focus)
	}
	if s.skip != "" { // an empty one would skip all
		args = append(args, "-ginkgo.skip="+s.skip)
	}
	cmd := exec.CommandContext(ctx, patched, args...)
	cmd.Dir, cmd.Env = tmp, append(os.Environ(), "TMPDIR="+tmp)
	cmd.Stdout, cmd.Stderr = log, log
	runErr := cmd.Run() // an exit code says that specs failed, and which is in the report
	data, err := os.ReadFile(report)
	if err != nil {
		return nil, errors.Join(runErr, fmt.Errorf("critest ended without a report (log %s): %w", log.Name(), err))
	}
	return parseReport(data)
}

func copyFile(from, to string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, data, 0o644)
}
