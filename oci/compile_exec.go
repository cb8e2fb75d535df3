// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"crisp/conmon/plan"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// CompileExec makes the plan of a further process in the container that spec made. It is pure.
//
// The order is that of Compile for what both have. The container's root is entered with its namespaces, so that from there on
// nothing but /dev/pts and the workload itself is looked up in it; and nothing of the daemon is ever executed there
// (CVE-2019-5736).
func CompileExec(spec *specs.Spec, process *specs.Process, o CompileOptions) (*Compiled, error) {
	if err := ValidateProcess(process); err != nil {
		return nil, err
	}
	a := newAssembly(spec, process, o)
	if err := a.checkProcess(); err != nil {
		return nil, err
	}
	program, err := a.seccomp()
	if err != nil {
		return nil, err
	}
	a.requestCgroups()
	container := a.requestContainer()
	if a.labelled() {
		a.proc = a.file(FileRequest{Kind: FileProcfs, Note: "open the procfs"})
	}
	a.hide()
	a.setAffinity("initial", process.ExecCPUAffinity)
	a.enterCgroups()
	a.enterContainer(container)
	a.becomeRoot()
	if a.tty() {
		a.close(a.makeTerminal(plan.NoReg))
	}
	a.stdio()
	a.setLimits()
	a.setAffinity("final", process.ExecCPUAffinity)
	a.label()
	a.credentials(program)
	a.execute(program)
	return a.compiled(), nil
}

// requestContainer requests the pidfd of the container's first process, which stands for all its namespaces (setns(2)). User
// and PID namespaces are joined before the clone.
func (a *assembly) requestContainer() plan.Reg {
	r := a.file(FileRequest{Kind: FileContainer, Note: "the container"})
	if a.userns {
		a.plan.JoinUser = r
	}
	if a.has(specs.PIDNamespace) {
		a.plan.JoinPID = r
	}
	return r
}

// enterContainer joins the other namespaces in one call. The one of cgroups comes after the cgroup was entered.
func (a *assembly) enterContainer(container plan.Reg) {
	var flags uint64
	for _, n := range a.spec.Linux.Namespaces {
		flags |= namespaceFlags[n.Type]
	}
	a.about("join the container's namespaces")
	a.step(plan.OpSetns, flags&^(unix.CLONE_NEWUSER|unix.CLONE_NEWPID)).FD = container
	a.close(container)
}

// setAffinity sets one of the masks of process.execCPUAffinity.
func (a *assembly) setAffinity(which string, c *specs.CPUAffinity) {
	if c == nil {
		return
	}
	list := c.Initial
	if which == "final" {
		list = c.Final
	}
	if list == "" {
		return
	}
	mask, _ := cpuMask(list) // Validate has read it before
	a.about("set the %s CPU affinity", which)
	a.step(plan.OpSchedSetaffinity).Blob = mask
}
