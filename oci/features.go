// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"maps"
	"runtime"
	"slices"
	"unsafe"

	"crisp/oci/hook"
	"crisp/oci/seccomp"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/opencontainers/runtime-spec/specs-go/features"
	"golang.org/x/sys/unix"
)

// Features says what this runtime does (runtime-spec features.md), by the tables that it works with; of the host it says nothing but
// which flags of seccomp the kernel has.
func Features() *features.Features {
	return &features.Features{
		OCIVersionMin: "1.0.0",
		OCIVersionMax: specs.Version,
		Hooks:         texts(hook.Kinds),
		MountOptions:  knownMountOptions(),
		Linux: &features.Linux{
			Namespaces:   sorted(namespaceFlags.keys()),
			Capabilities: sorted(maps.Keys(capabilityBits())),
			Cgroup:       &features.Cgroup{V1: is(true), V2: is(true), Systemd: is(true), SystemdUser: is(true), Rdma: is(true)},
			Seccomp:      seccompFeatures(),
			Apparmor:     &features.Apparmor{Enabled: is(true)},
			Selinux:      &features.Selinux{Enabled: is(true)},
			IntelRdt:     &features.IntelRdt{Enabled: is(true), Schemata: is(true), Monitoring: is(true)},
			MemoryPolicy: &features.MemoryPolicy{Modes: sorted(memoryModes.keys()), Flags: sorted(memoryFlags.keys())},
			MountExtensions: &features.MountExtensions{
				IDMap: &features.IDMap{Enabled: is(true)},
			},
			NetDevices: &features.NetDevices{Enabled: is(true)},
		},
		PotentiallyUnsafeConfigAnnotations: unsafeAnnotations,
	}
}

// unsafeAnnotations are those that are acted on (packages cgroup/systemd and checkpoint): an engine is to think before it passes them
// on. One that ends with a dot stands for all that begin so.
var unsafeAnnotations = []string{"org.criu.config", "org.systemd.property."}

// seccompFeatures is what package seccomp compiles, and which of its flags the kernel has.
func seccompFeatures() *features.Seccomp {
	actions := []specs.LinuxSeccompAction{
		specs.ActAllow, specs.ActErrno, specs.ActKill, specs.ActKillProcess, specs.ActKillThread, specs.ActLog, specs.ActNotify,
		specs.ActTrace, specs.ActTrap,
	}
	operators := []specs.LinuxSeccompOperator{
		specs.OpNotEqual, specs.OpLessThan, specs.OpLessEqual, specs.OpEqualTo, specs.OpGreaterEqual, specs.OpGreaterThan, specs.OpMaskedEqual,
	}
	known := slices.DeleteFunc(slices.Sorted(seccompFlags.keys()), func(f specs.LinuxSeccompFlag) bool { return !seccomp.KnownFlag(f) })
	return &features.Seccomp{
		Enabled:   is(true),
		Actions:   texts(slices.DeleteFunc(actions, func(a specs.LinuxSeccompAction) bool { return !seccomp.KnownAction(a) })),
		Operators: texts(slices.DeleteFunc(operators, func(o specs.LinuxSeccompOperator) bool { return !seccomp.KnownOperator(o) })),
		Archs:     texts(seccomp.Architectures(runtime.GOARCH)), KnownFlags: texts(known),
		SupportedFlags: texts(slices.DeleteFunc(slices.Clone(known), func(f specs.LinuxSeccompFlag) bool { return !kernelHas(seccompFlags.get(f)) })),
	}
}

// seccompFlags are the kernel's numbers of the flags in a profile (seccomp(2)).
var seccompFlags = table[specs.LinuxSeccompFlag, uintptr]{
	{"SECCOMP_FILTER_FLAG_TSYNC", unix.SECCOMP_FILTER_FLAG_TSYNC}, {specs.LinuxSeccompFlagLog, unix.SECCOMP_FILTER_FLAG_LOG},
	{specs.LinuxSeccompFlagSpecAllow, unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW},
	{specs.LinuxSeccompFlagWaitKillableRecv, unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV | unix.SECCOMP_FILTER_FLAG_NEW_LISTENER},
}

// kernelHas says whether the kernel has a flag: with one that it has it comes to look for the program, which is nowhere (seccomp(2), EFAULT).
func kernelHas(flag uintptr) bool {
	_, _, err := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flag, uintptr(unsafe.Pointer(nil)))
	return err == unix.EFAULT
}

// knownMountOptions are the options that do not go to the file system.
func knownMountOptions() []string {
	words := []string{
		"bind", "rbind", "remount", "idmap", "ridmap", "tmpcopyup", "defaults", "src-nofollow", "dest-nofollow", "copy-symlink",
		"atime", "noatime", "diratime", "nodiratime", "relatime", "norelatime", "strictatime", "nostrictatime",
	}
	words = slices.AppendSeq(words, mountFlags.keys())
	words = slices.AppendSeq(words, superblockFlags.keys())
	words = slices.AppendSeq(words, propagations.keys())
	for _, w := range slices.Collect(mountFlags.keys()) {
		words = append(words, "r"+w)
	}
	for _, w := range slices.Collect(propagations.keys()) {
		words = append(words, "r"+w)
	}
	slices.Sort(words)
	return slices.DeleteFunc(slices.Compact(words), func(w string) bool { return !isMountOption(w) })
}

// isMountOption says whether an option is read by us.
func isMountOption(w string) bool {
	var o mountOptions
	return o.word(w) || o.flag(w) || o.propagate(w)
}

func is(b bool) *bool { return &b }

// texts are the words of a list.
func texts[T ~string](l []T) []string {
	all := make([]string, len(l))
	for i, s := range l {
		all[i] = string(s)
	}
	return all
}

func sorted[T ~string](words func(func(T) bool)) []string { return texts(slices.Sorted(words)) }
