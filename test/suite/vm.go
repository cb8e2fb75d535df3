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
	"strings"
	"time"

	"crisp/test/build"
	"crisp/test/vm"
)

// The VM lane runs test binaries in virtual machines (package vm): cgroup v2 alone, AppArmor, Debian's kernel; and some of them again
// with systemd as the first process. The host builds what they need; the guest's processor is slow where it is emulated.

// A guestRun is one test binary in the guest.
type guestRun struct {
	pkg     string // its directory below the repository
	run     string // -test.run; "" is all
	skip    string // -test.skip
	timeout time.Duration
}

// A guest is one virtual machine with its runs.
type guest struct {
	name    string
	systemd bool
	kernel  string // vm.Job.Kernel
	timeout time.Duration
	runs    []guestRun
}

// vmCore is the part for `make test`: what depends on the cgroup version, the kernel or AppArmor.
func vmCore(context.Context) ([]guest, error) {
	return []guest{
		{name: "cgroup v2", timeout: 20 * time.Minute, runs: []guestRun{
			{pkg: "oci/cgroup", timeout: 5 * time.Minute},
			{pkg: "oci", timeout: 8 * time.Minute},
			{pkg: "conmon", timeout: 5 * time.Minute},
			{pkg: "cmd/crisp-oci", timeout: 5 * time.Minute},
			{pkg: "test/oci/conformance", timeout: 8 * time.Minute},
			{pkg: "test/oci/snapshot", run: vmSnapshot, timeout: 5 * time.Minute},
			{pkg: "test/oci/seccomp", skip: vmPeers, timeout: 5 * time.Minute},
			{pkg: "test/oci/rootless", run: vmRootless, timeout: 8 * time.Minute},
			{pkg: "test/oci/command", run: vmCommands, timeout: 8 * time.Minute},
			{pkg: "test/integration", run: vmIntegration, timeout: 8 * time.Minute},
		}},
		withSystemd(vmRaces),
		withSELinux(),
	}, nil
}

// vmRaces are tests of what is not always so yet (docs/status.md), which a slow guest shows in one run of a few.
const vmRaces = `^TestSystemdOutOfMemory$`

// vmPeers are comparisons with runc, which the host has made: a Go program of 9 MB that crashes at its start, now and then, in an emulated
// guest says nothing about crisp.
const vmPeers = `^TestEveryCallEndsAsWithRunc$|^Test.*$/^runc$`

// vmIntegration are tests of test/integration that depend on the cgroup version.
const vmIntegration = `^(TestOutOfMemoryIsReported|TestLimitsArriveInTheCgroup|TestUpdateSurvivesARestart|TestStatsSayWhatAContainerUses)$`

// vmRootless are tests of test/oci/rootless that depend on the cgroup version.
const vmRootless = `^(TestUsersRunContainers|TestDelegatedCgroupsAreUsed|TestCgroupsAreBelowOnesOwn)$`

// vmCommands are tests of test/oci/command that depend on the cgroup version, and those of criu, which cannot work with every kernel.
const vmCommands = `^(TestKill.*|TestFlagsOfUpdate|TestUpdateOfAFile|TestEvents|TestExecBelowTheCgroup|TestExecInAPausedContainer|TestARestored.*)$`

// vmSnapshot are the configurations of test/oci/snapshot that are about cgroups, or most like what people run.
const vmSnapshot = `^TestContainersSeeWhatTheySeeUnderPeers$/^(plain|podman|pod|privileged|host-namespaces|user-namespace|delegated-cgroup|cgroup-namespace|resources|devices)$`

func withSystemd(skip string) guest {
	return guest{name: "systemd", systemd: true, timeout: 15 * time.Minute, runs: []guestRun{
		{pkg: "oci/cgroup", run: "Systemd", timeout: 5 * time.Minute},
		{pkg: "test/oci/systemd", timeout: 5 * time.Minute},
		{pkg: "test/integration", run: "Systemd", skip: skip, timeout: 5 * time.Minute},
	}}
}

// withSELinux has no policy but that of the tests.
func withSELinux() guest {
	return guest{name: "SELinux", kernel: "apparmor=0 security=selinux selinux=1", timeout: 5 * time.Minute, runs: []guestRun{
		{pkg: "oci", run: "SELinux", timeout: 4 * time.Minute},
	}}
}

// vmWhole is all of the runtime's tests and the CRI's integration tests.
func vmWhole(ctx context.Context) ([]guest, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-e", "-f", "{{.ImportPath}}", "./oci/...", "./conmon/...", "./cmd/crisp-oci/...", "./sandbox/...").Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	runtime := guest{name: "cgroup v2", timeout: time.Hour}
	for pkg := range strings.FieldsSeq(string(out)) {
		runtime.runs = append(runtime.runs, guestRun{pkg: strings.TrimPrefix(pkg, "crisp/"), timeout: 20 * time.Minute})
	}
	runtime.runs = append(runtime.runs, guestRun{pkg: "test/oci/conformance", timeout: 20 * time.Minute},
		guestRun{pkg: "test/oci/snapshot", timeout: 20 * time.Minute}, guestRun{pkg: "test/oci/command", timeout: 20 * time.Minute},
		guestRun{pkg: "test/engines", run: "Checkpoint", timeout: 10 * time.Minute}, guestRun{pkg: "test/oci/rootless", timeout: 20 * time.Minute},
		guestRun{pkg: "test/oci/seccomp", timeout: 20 * time.Minute}, guestRun{pkg: "test/security", timeout: 20 * time.Minute})
	cri := guest{name: "CRI on cgroup v2", timeout: time.Hour, runs: []guestRun{{pkg: "test/integration", timeout: 55 * time.Minute}}}
	return []guest{runtime, cri, withSystemd(""), withSELinux()}, nil
}

// vmLane runs guests one after the other.
func vmLane(plan func(context.Context) ([]guest, error)) func(context.Context) (tally, error) {
	return func(ctx context.Context) (tally, error) {
		m, err := vm.New(ctx)
		if errors.Is(err, vm.ErrUnavailable) {
			fmt.Println("skipped:", err)
			return tally{skipped: 1, why: map[string]int{fmt.Sprint("vm: ", err): 1}}, nil
		}
		if err != nil {
			return tally{}, err
		}
		fmt.Println("virtual machines with", m.Accel())
		guests, err := plan(ctx)
		if err != nil {
			return tally{}, err
		}
		env, err := guestEnv(ctx)
		if err != nil {
			return tally{}, err
		}
		var total tally
		var errs []error
		for _, g := range guests {
			t, err := g.do(ctx, m, env)
			total, errs = total.plus(t), append(errs, err)
		}
		return total, errors.Join(errs...)
	}
}

// guestEnv makes on the host what tests would make or fetch themselves.
func guestEnv(ctx context.Context) ([]string, error) {
	root, err := build.Root()
	if err != nil {
		return nil, err
	}
	if _, err := build.ImagePrograms(ctx); err != nil {
		return nil, err
	}
	if _, err := build.OCIProbe(ctx); err != nil {
		return nil, err
	}
	if _, err := build.Crictl(ctx); err != nil {
		return nil, err
	}
	if _, err := build.ConformanceProbe(ctx); err != nil {
		return nil, err
	}
	if _, err := build.SeccompProbe(ctx); err != nil {
		return nil, err
	}
	probe := filepath.Join(root, "test", ".cache", "vm", "probe")
	if out, err := goBuild(ctx, "build", "-o", probe, "./oci/internal/probe"); err != nil {
		return nil, fmt.Errorf("build the probe: %w\n%s", err, out)
	}
	return []string{"CRISP_PROBE=" + probe}, nil
}

func goBuild(ctx context.Context, verb string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "go", append([]string{verb, "-trimpath"}, args...)...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	return cmd.CombinedOutput()
}

// do builds the binaries, runs them in one machine and counts what they print. A package that is not there yet is left out.
func (g guest) do(ctx context.Context, m *vm.Machine, env []string) (tally, error) {
	root, err := build.Root()
	if err != nil {
		return tally{}, err
	}
	dir, err := os.MkdirTemp("", "crisp-vm-lane-")
	if err != nil {
		return tally{}, err
	}
	defer os.RemoveAll(dir)
	var total tally
	var script strings.Builder
	for i, r := range g.runs {
		if !r.hasTests(root) {
			continue
		}
		binary := filepath.Join(dir, fmt.Sprint(i, ".test"))
		if out, err := goBuild(ctx, "test", "-c", "-o", binary, "./"+r.pkg); err != nil {
			fmt.Printf("FAIL %s (%s)\n%s", r.pkg, g.name, out)
			total.failed++
			continue
		}
		script.WriteString(r.script(root, binary))
	}
	job := vm.Job{
		Args: []string{"/bin/sh", "-c", script.String()}, Dir: root, Env: env, Systemd: g.systemd, Kernel: g.kernel, Timeout: g.timeout,
		Writable: []string{dir}, MemoryMB: 3072, Stdout: os.Stdout, Stderr: os.Stderr,
	}
	if _, err := m.Run(ctx, job); err != nil {
		fmt.Printf("%s: %v\n", g.name, err) // what had no time to run counts as failed below
	}
	for i, r := range g.runs {
		if binary := filepath.Join(dir, fmt.Sprint(i, ".test")); exists(binary) {
			t, err := r.count(ctx, g.name, binary)
			if err != nil {
				return total, err
			}
			total = total.plus(t)
		}
	}
	return total, nil
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

func (r guestRun) hasTests(root string) bool {
	files, _ := filepath.Glob(filepath.Join(root, r.pkg, "*_test.go"))
	return len(files) > 0
}

// script runs the binary in its package's directory. Beside it come what it prints, and its exit code.
func (r guestRun) script(root, binary string) string {
	args := fmt.Sprintf("-test.v=test2json -test.count=1 -test.timeout=%v", r.timeout)
	if r.run != "" {
		args += fmt.Sprintf(" '-test.run=%s'", r.run)
	}
	if r.skip != "" {
		args += fmt.Sprintf(" '-test.skip=%s'", r.skip)
	}
	return fmt.Sprintf("cd '%s' && '%s' %s >'%s.out' 2>&1\necho $? >'%s.code'; echo '%s ended'\n", filepath.Join(root, r.pkg), binary, args, binary, binary, r.pkg)
}

// count reads what a run left. No exit code means that the machine ended before the run did.
func (r guestRun) count(ctx context.Context, where, binary string) (tally, error) {
	code, err := os.ReadFile(binary + ".code")
	if err != nil {
		code = []byte("none: the virtual machine ended")
	}
	out, _ := os.ReadFile(binary + ".out")
	name := r.pkg + " (" + where + ")"
	cmd := exec.CommandContext(ctx, "go", "tool", "test2json", "-p", name)
	cmd.Stdin, cmd.Stderr = bytes.NewReader(out), os.Stderr
	events, err := cmd.Output()
	if err != nil {
		return tally{}, fmt.Errorf("test2json: %w", err)
	}
	t, err := countEvents(bytes.NewReader(events), os.Stdout)
	if c := strings.TrimSpace(string(code)); c != "0" && t.failed == 0 {
		fmt.Printf("FAIL %s: exit code %s\n%s\n", name, c, out[max(0, len(out)-4000):])
		t.failed++
	}
	why := map[string]int{}
	for reason, n := range t.why {
		why["in the VM: "+reason] = n
	}
	t.why = why
	return t, err
}
