// SPDX-License-Identifier: Apache-2.0

package seccomp

import "github.com/opencontainers/runtime-spec/specs-go"

// KnownAction says whether a profile may have the action.
func KnownAction(a specs.LinuxSeccompAction) bool {
	_, err := newAction(a, nil)
	return err == nil
}

// KnownFlag says whether a profile may have the flag.
func KnownFlag(f specs.LinuxSeccompFlag) bool {
	_, err := newFlags([]specs.LinuxSeccompFlag{f}, false)
	return err == nil
}

// KnownOperator says whether a condition may have the operator.
func KnownOperator(op specs.LinuxSeccompOperator) bool {
	_, err := newCondition(specs.LinuxSeccompArg{Op: op})
	return err == nil
}

// KnownSyscall says whether any architecture has a system call of this name.
func KnownSyscall(name string) bool { return native().lookup(name) != nil }

// Architectures are those that a process of a machine (a GOARCH) can make calls of.
func Architectures(machine string) []specs.Arch {
	m, ok := machineOf(machine)
	if !ok {
		return nil
	}
	all := []specs.Arch{m.native.name}
	for _, a := range m.foreign {
		all = append(all, a.name)
	}
	return all
}
