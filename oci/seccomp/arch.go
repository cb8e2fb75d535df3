// SPDX-License-Identifier: Apache-2.0

package seccomp

import (
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// An abi is one way into the kernel with its own numbers of syscalls.
type abi struct {
	name  specs.Arch
	audit uint32 // AUDIT_ARCH_*, which the kernel puts in seccomp_data.arch
	first uint32 // the lowest number
	// private is where numbers begin that are not counted up with new calls; 0: there are none.
	private uint32
	column  int  // in syscall.nr
	bits32  bool // arguments are compared in their low 32 bits only
	big     bool // big-endian: the high half of an argument comes first
	// setup0: syscall 0, setup(2), stands for all numbers that the kernel does not know (s390x).
	setup0 bool
}

// x32Bit marks the calls of the x32 ABI, which shares AUDIT_ARCH_X86_64 (arch/x86/include/uapi/asm/unistd.h).
const x32Bit = 0x40000000

// armPrivate is __ARM_NR_BASE of arch/arm/include/uapi/asm/unistd.h: set_tls and the like.
const armPrivate = 0xf0000

// A machine is a native ABI and the foreign ones that its kernel may run too.
type machine struct {
	native  abi
	foreign []abi
}

// arm is the 32-bit ABI.
var arm = abi{name: specs.ArchARM, audit: unix.AUDIT_ARCH_ARM, private: armPrivate, column: columnARM, bits32: true}

var x32 = abi{name: specs.ArchX32, audit: unix.AUDIT_ARCH_X86_64, first: x32Bit, column: columnX32, bits32: true}

// machines is by GOARCH.
var machines = map[string]machine{
	"amd64": {
		native: abi{name: specs.ArchX86_64, audit: unix.AUDIT_ARCH_X86_64, column: columnX8664},
		foreign: []abi{
			{name: specs.ArchX86, audit: unix.AUDIT_ARCH_I386, column: columnX86, bits32: true}, x32,
		},
	},
	"386": {native: abi{name: specs.ArchX86, audit: unix.AUDIT_ARCH_I386, column: columnX86, bits32: true}},
	"arm64": {
		native:  abi{name: specs.ArchAARCH64, audit: unix.AUDIT_ARCH_AARCH64, column: columnAArch64},
		foreign: []abi{arm},
	},
	"arm":     {native: arm},
	"riscv64": {native: abi{name: specs.ArchRISCV64, audit: unix.AUDIT_ARCH_RISCV64, column: columnRISCV64}},
	"ppc64le": {native: abi{name: specs.ArchPPC64LE, audit: unix.AUDIT_ARCH_PPC64LE, column: columnPPC64LE}},
	"s390x": {
		native: abi{name: specs.ArchS390X, audit: unix.AUDIT_ARCH_S390X, column: columnS390X, big: true, setup0: true},
	},
	"loong64": {native: abi{name: specs.ArchLOONGARCH64, audit: unix.AUDIT_ARCH_LOONGARCH64, column: columnLoongArch64}},
}

// knownArchitectures are those of runtime-spec config-linux.md. One that this machine cannot run is skipped: no
// call of it can ever reach the program.
var knownArchitectures = map[specs.Arch]bool{
	specs.ArchX86: true, specs.ArchX86_64: true, specs.ArchX32: true, specs.ArchARM: true, specs.ArchAARCH64: true,
	specs.ArchMIPS: true, specs.ArchMIPS64: true, specs.ArchMIPS64N32: true, specs.ArchMIPSEL: true,
	specs.ArchMIPSEL64: true, specs.ArchMIPSEL64N32: true, specs.ArchPPC: true, specs.ArchPPC64: true,
	specs.ArchPPC64LE: true, specs.ArchS390: true, specs.ArchS390X: true, specs.ArchPARISC: true,
	specs.ArchPARISC64: true, specs.ArchRISCV64: true, specs.ArchLOONGARCH64: true, specs.ArchM68K: true,
	specs.ArchSH: true, specs.ArchSHEB: true,
}
