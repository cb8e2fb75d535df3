// SPDX-License-Identifier: Apache-2.0

#include "textflag.h"

// Called by the kernel on the signal stack of a thread, by the C convention: DI the signal, SI its siginfo, DX the context. Returns to
// the restorer, which gives the thread all of its registers back.

// func handler()
TEXT ·handler(SB), NOSPLIT|NOFRAME|TOPFRAME, $0-0
	SUBQ $24, SP
	MOVQ DI, 8(SP)           // little endian: the number is the first byte
	MOVQ ·handlerFD(SB), DI
	LEAQ 8(SP), SI
	MOVQ $1, DX
	MOVQ $1, AX              // write(2)
	SYSCALL
	ADDQ $24, SP
	RET

// func faultHandler()
TEXT ·faultHandler(SB), NOSPLIT|NOFRAME|TOPFRAME, $0-0
	MOVL 8(SI), AX           // si_code: above 0 the kernel's own
	CMPL AX, $0
	JLE  sent
	MOVQ ·runtimeHandler(SB), AX
	JMP  AX
sent:
	JMP  ·handler(SB)
