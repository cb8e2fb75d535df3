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
	a.requestContainer()
	if a.labelled() {
		a.proc = a.file(FileRequest{Kind: FileProcfs, Note: "open the procfs"})
	}
	a.requestExtra()
	a.requestAgent(program)
	a.requestTerminal()
	a.hide()
	a.setAffinity("initial", process.ExecCPUAffinity)
	a.enterCgroups()
	if process.ExecCPUAffinity == nil {
		a.resetAffinity()
	}
	a.enterContainer()
	a.becomeRoot()
	if a.tty() {
		a.close(a.makeTerminal(plan.NoReg))
	}
	a.stdio()
	a.setLimits()
	a.setAffinity("final", process.ExecCPUAffinity)
	a.label()
	a.credentials(program)
	if !a.filteredEarly(program) && !a.filteredLate(program) {
		a.loadSeccomp(program)
	}
	a.execute(program)
	return a.compiled(), nil
}

// requestContainer requests the pidfd of the container's first process, which stands for all its namespaces (setns(2)). User
// and PID namespaces are joined before the clone.
//
// Once in a user namespace a process may not use the pidfd of one that has not executed the workload yet: its memory is still the
// host's and undumpable (ptrace_may_access). The files of namespaces ask for no more than rights in those, and are joined before the clone.
// The time namespace is always joined by its file, for the same reason: the pidfd of a process that has yet to execute stands for the one
// that it leaves then.
func (a *assembly) requestContainer() {
	a.container = a.file(FileRequest{Kind: FileContainer, Note: "the container"})
	a.requestRoot()
	if a.has(specs.PIDNamespace) {
		a.plan.JoinPID = a.container
	}
	if a.userns {
		a.plan.JoinUser = a.container
	}
	for _, n := range a.inJoinOrder() {
		if n.Type == specs.UserNamespace || n.Type == specs.PIDNamespace || (!a.userns && n.Type != specs.TimeNamespace) {
			continue
		}
		flag := namespaceFlags.get(n.Type)
		r := a.file(FileRequest{
			Kind: FileContainerNamespace, Namespace: flag, Note: "open the container's " + string(n.Type) + " namespace",
		})
		a.join(joined{"container's " + string(n.Type), flag, r})
	}
}

// enterContainer joins the other namespaces, in one call where that is possible. The one of cgroups comes after the cgroup was entered.
func (a *assembly) enterContainer() {
	for _, n := range a.namespaces {
		a.about("join the %s namespace", n.name)
		a.step(plan.OpSetns, n.flag).FD = n.reg
		a.close(n.reg)
	}
	a.about("join the container's namespaces")
	if !a.userns {
		var flags uint64
		for _, n := range a.spec.Linux.Namespaces {
			flags |= namespaceFlags.get(n.Type)
		}
		if flags &^= unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWTIME; flags != 0 { // 0: all are the host's
			a.step(plan.OpSetns, flags).FD = a.container
		}
	}
	a.close(a.container)
	a.enterRoot()
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
