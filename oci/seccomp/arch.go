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
	// setup0: syscall 0, setup(2), stands for all numbers that the kernel does not know (s390, s390x).
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
	table   table
}

// foreignTo gives the ABIs their columns: the native one has 0.
func foreignTo(native abi, foreign ...abi) machine {
	for i := range foreign {
		foreign[i].column = 1 + i
	}
	return machine{native: native, foreign: foreign}
}

// machineOf returns the machine of a GOARCH, without its table.
func machineOf(goarch string) (m machine, ok bool) {
	arm := abi{name: specs.ArchARM, audit: unix.AUDIT_ARCH_ARM, private: armPrivate, bits32: true}
	x86 := abi{name: specs.ArchX86, audit: unix.AUDIT_ARCH_I386, bits32: true}
	mips := abi{name: specs.ArchMIPS, audit: unix.AUDIT_ARCH_MIPS, bits32: true, big: true}
	mipsel := abi{name: specs.ArchMIPSEL, audit: unix.AUDIT_ARCH_MIPSEL, bits32: true}
	switch goarch {
	case "386":
		m = foreignTo(x86)
	case "amd64":
		x32 := abi{name: specs.ArchX32, audit: unix.AUDIT_ARCH_X86_64, first: x32Bit, bits32: true}
		m = foreignTo(abi{name: specs.ArchX86_64, audit: unix.AUDIT_ARCH_X86_64}, x86, x32)
	case "arm":
		m = foreignTo(arm)
	case "arm64":
		m = foreignTo(abi{name: specs.ArchAARCH64, audit: unix.AUDIT_ARCH_AARCH64}, arm)
	case "loong64":
		m = foreignTo(abi{name: specs.ArchLOONGARCH64, audit: unix.AUDIT_ARCH_LOONGARCH64})
	case "mips":
		m = foreignTo(mips)
	case "mipsle":
		m = foreignTo(mipsel)
	case "mips64":
		n32 := abi{name: specs.ArchMIPS64N32, audit: unix.AUDIT_ARCH_MIPS64N32, bits32: true, big: true}
		m = foreignTo(abi{name: specs.ArchMIPS64, audit: unix.AUDIT_ARCH_MIPS64, big: true}, mips, n32)
	case "mips64le":
		n32 := abi{name: specs.ArchMIPSEL64N32, audit: unix.AUDIT_ARCH_MIPSEL64N32, bits32: true}
		m = foreignTo(abi{name: specs.ArchMIPSEL64, audit: unix.AUDIT_ARCH_MIPSEL64}, mipsel, n32)
	case "ppc64":
		ppc := abi{name: specs.ArchPPC, audit: unix.AUDIT_ARCH_PPC, bits32: true, big: true}
		m = foreignTo(abi{name: specs.ArchPPC64, audit: unix.AUDIT_ARCH_PPC64, big: true}, ppc)
	case "ppc64le":
		m = foreignTo(abi{name: specs.ArchPPC64LE, audit: unix.AUDIT_ARCH_PPC64LE})
	case "riscv64":
		m = foreignTo(abi{name: specs.ArchRISCV64, audit: unix.AUDIT_ARCH_RISCV64})
	case "s390x":
		s390 := abi{name: specs.ArchS390, audit: unix.AUDIT_ARCH_S390, bits32: true, big: true, setup0: true}
		m = foreignTo(abi{name: specs.ArchS390X, audit: unix.AUDIT_ARCH_S390X, big: true, setup0: true}, s390)
	default:
		return machine{}, false
	}
	return m, true
}

// KnownArchitecture says whether the runtime spec (config-linux.md) has the architecture, on whatever machine. One that this machine cannot
// run is skipped in a profile: no call of it can ever reach the program. So PA-RISC, m68k and SuperH have no tables here, for which there
// is no Go either.
func KnownArchitecture(a specs.Arch) bool {
	switch a {
	case specs.ArchX86, specs.ArchX86_64, specs.ArchX32, specs.ArchARM, specs.ArchAARCH64,
		specs.ArchMIPS, specs.ArchMIPS64, specs.ArchMIPS64N32, specs.ArchMIPSEL, specs.ArchMIPSEL64, specs.ArchMIPSEL64N32,
		specs.ArchPPC, specs.ArchPPC64, specs.ArchPPC64LE, specs.ArchS390, specs.ArchS390X,
		specs.ArchPARISC, specs.ArchPARISC64, specs.ArchRISCV64, specs.ArchLOONGARCH64, specs.ArchM68K, specs.ArchSH, specs.ArchSHEB:
		return true
	}
	return false
}
