// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"crisp/test/build"
)

// command runs a check whose output counts only when it fails.
func command(ctx context.Context, name string, args ...string) (tally, error) {
	if out, err := exec.CommandContext(ctx, name, args...).CombinedOutput(); err != nil {
		return tally{failed: 1}, fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, out)
	}
	return tally{passed: 1}, nil
}

func gofmt(ctx context.Context) (tally, error) {
	out, err := exec.CommandContext(ctx, "gofmt", "-l", ".").CombinedOutput()
	if err == nil && len(out) > 0 {
		err = errors.New("not formatted")
	}
	if err != nil {
		return tally{failed: 1}, fmt.Errorf("gofmt -l: %w\n%s", err, out)
	}
	return tally{passed: 1}, nil
}

func vet(ctx context.Context) (tally, error) { return command(ctx, "go", "vet", "./...") }

func staticcheck(ctx context.Context) (tally, error) {
	binary, err := build.Staticcheck(ctx)
	if err != nil {
		return tally{}, err
	}
	return command(ctx, binary, "./...")
}

// sanitizers runs the C program's tests and fuzzers under ASan and UBSan.
func sanitizers(ctx context.Context) (tally, error) {
	return command(ctx, "make", "-C", "conmon", "san-test")
}

// alone are packages that run one after the other, when nothing else does. test/integration starts daemons, and its timing suffers from a
// busy machine; test/oci/conformance looks for whatever is left on the machine, and test/oci/snapshot runs containers of three runtimes.
var alone = []string{"crisp/test/integration", "crisp/test/oci/conformance", "crisp/test/oci/snapshot"}

func packages(ctx context.Context) ([]string, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "./...").Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	return slices.DeleteFunc(strings.Fields(string(out)), func(p string) bool { return slices.Contains(alone, p) }), nil
}

// unit runs the tests of every package with the race detector, which is the only part of Go's that needs cgo. Seeds of fuzz
// tests are among them.
func unit(ctx context.Context) (tally, error) {
	pkgs, err := packages(ctx)
	if err != nil {
		return tally{}, err
	}
	return goTest(ctx, []string{"CGO_ENABLED=1"}, append([]string{"-race", "-timeout=15m"}, pkgs...)...)
}

// integration drives a daemon that is built with the race detector: a race that it sees makes its exit code 66.
func integration(ctx context.Context) (tally, error) {
	crisp, err := filepath.Abs("test/.cache/crisp-race")
	if err != nil {
		return tally{}, err
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-race", "-o", crisp, "./cmd/crisp")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		return tally{}, fmt.Errorf("build crisp with the race detector: %w\n%s", err, out)
	}
	return goTest(ctx, []string{"CGO_ENABLED=0", "CRISP=" + crisp}, append([]string{"-count=1", "-p=1", "-timeout=25m"}, alone...)...)
}

// fuzzTime is short: it shows what breaks at once. `make fuzz` takes longer.
const fuzzTime = "3s"

var fuzzName = regexp.MustCompile(`(?m)^Fuzz\w+$`)

func fuzz(ctx context.Context) (tally, error) {
	pkgs, err := packages(ctx)
	if err != nil {
		return tally{}, err
	}
	out, err := exec.CommandContext(ctx, "go", append([]string{"test", "-json", "-list=^Fuzz"}, pkgs...)...).Output()
	if err != nil {
		return tally{}, fmt.Errorf("list fuzz tests: %w", err)
	}
	var total tally
	var errs []error
	for _, f := range fuzzers(out) {
		t, err := command(ctx, "go", "test", "-run=^$", "-fuzz=^"+f.name+"$", "-fuzztime="+duration(), f.pkg)
		total, errs = total.plus(t), append(errs, err)
	}
	return total, errors.Join(errs...)
}

// duration is $FUZZTIME or the default.
func duration() string {
	if t := os.Getenv("FUZZTIME"); t != "" {
		return t
	}
	return fuzzTime
}

// weakened proves that the attacks of test/security, which unit runs, can fail.
func weakened(ctx context.Context) (tally, error) {
	out, err := exec.CommandContext(ctx, "go", "run", "./test/security/weaken", "-quick").CombinedOutput()
	fmt.Printf("%s", out)
	m := regexp.MustCompile(`(?m)^(\d+) proven, (\d+) not$`).FindSubmatch(out)
	if m == nil {
		return tally{}, errors.Join(errors.New("no result of the weakenings"), err)
	}
	return tally{passed: number(m[1]), failed: number(m[2])}, err
}

// number reads digits; the patterns leave nothing else.
func number(b []byte) int {
	n, _ := strconv.Atoi(string(b))
	return n
}

// critest reads the lane's last line.
func critest(ctx context.Context) (tally, error) {
	cmd := exec.CommandContext(ctx, "go", "run", "./test/critest")
	out, err := cmd.CombinedOutput()
	fmt.Printf("%s", out)
	m := regexp.MustCompile(`(?m)^(\d+) passed, (\d+) failed, (\d+) skipped$`).FindSubmatch(bytes.TrimSpace(out))
	if m == nil {
		return tally{}, errors.Join(errors.New("critest printed no result"), err)
	}
	t := tally{passed: number(m[1]), failed: number(m[2]), skipped: number(m[3])}
	if t.skipped > 0 {
		t.why = map[string]int{"critest: the node lacks what the spec is about": t.skipped}
	}
	return t, err
}
