// SPDX-License-Identifier: Apache-2.0

#include "textflag.h"

// Linux's numbers: syscall(2), userfaultfd(2), ioctl_userfaultfd(2), fcntl(2).
#define SYS_close       3
#define SYS_ioctl       16
#define SYS_fcntl       72
#define SYS_userfaultfd 323
#define FLAGS           0x80801    // O_CLOEXEC|O_NONBLOCK|UFFD_USER_MODE_ONLY: ordinary users may have it
#define UFFDIO_API      0xc018aa3f
#define UFFDIO_REGISTER 0xc020aa00
#define API             0xaa
#define WP_ASYNC        0x8000     // write protection without anybody to ask, of any memory: since Linux 6.7
#define MODE_WP         2
#define F_DUPFD_CLOEXEC 1030
#define PLACE           1000       // out of the way of descriptors that callers hand down

// A call that keeps the arguments' registers.
#define CALL(number) MOVQ $number, AX; SYSCALL; TESTQ AX, AX

// entry is where the kernel starts the program, instead of at the Go runtime's own entry, to which it goes on. It registers the
// program's read-only segments for write protection, which they have anyhow. What it is for is the side effect: such memory is mapped a page at
// a time (mm/memory.c, should_fault_around), not sixteen around each that is touched. The Go runtime touches a little of
// everything at its start: without this, that alone is 4 MiB resident, and 2 with it.
//
// Where the kernel does not know it, or does not let us, nothing is lost.
TEXT ·entry(SB), NOSPLIT|NOFRAME, $0
	MOVQ	SP, BX // argc, argv, envp … are here
	SUBQ	$32, SP
	MOVQ	$FLAGS, DI
	CALL(SYS_userfaultfd)
	JLT	out
	MOVQ	AX, R12

	// struct uffdio_api { api, features, ioctls }
	MOVQ	R12, DI
	MOVQ	$UFFDIO_API, SI
	MOVQ	SP, DX
	MOVQ	$API, 0(SP)
	MOVQ	$WP_ASYNC, 8(SP)
	MOVQ	$0, 16(SP)
	CALL(SYS_ioctl)
	JNE	close

	// struct uffdio_register { start, len, mode, ioctls }, for the code and for the constants
	MOVQ	$UFFDIO_REGISTER, SI
	MOVQ	$MODE_WP, 16(SP)
	LEAQ	runtime·text(SB), AX
	ANDQ	$~4095, AX
	MOVQ	AX, 0(SP)
	LEAQ	runtime·etext+4095(SB), CX
	ANDQ	$~4095, CX
	SUBQ	AX, CX
	MOVQ	CX, 8(SP)
	CALL(SYS_ioctl)
	JNE	close
	LEAQ	runtime·rodata(SB), AX
	ANDQ	$~4095, AX
	MOVQ	AX, 0(SP)
	LEAQ	runtime·epclntab+4095(SB), CX
	ANDQ	$~4095, CX
	SUBQ	AX, CX
	MOVQ	CX, 8(SP)
	CALL(SYS_ioctl)

	MOVQ	$F_DUPFD_CLOEXEC, SI
	MOVQ	$PLACE, DX
	CALL(SYS_fcntl)

close:
	MOVQ	R12, DI
	CALL(SYS_close)

out:
	MOVQ	BX, SP
	JMP	_rt0_amd64_linux(SB)
