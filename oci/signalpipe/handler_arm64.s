// SPDX-License-Identifier: Apache-2.0

#include "textflag.h"

// Called by the kernel on the signal stack of a thread, by the C convention: R0 the signal, R1 its siginfo, R2 the context. Returns to
// the restorer, which gives the thread all of its registers back.

// func handler()
TEXT ·handler(SB), NOSPLIT|NOFRAME|TOPFRAME, $0-0
	SUB  $16, RSP
	MOVD R0, 8(RSP)          // little endian: the number is the first byte
	MOVD ·handlerFD(SB), R0
	ADD  $8, RSP, R1
	MOVD $1, R2
	MOVD $64, R8             // write(2)
	SVC
	ADD  $16, RSP
	RET

// func faultHandler()
TEXT ·faultHandler(SB), NOSPLIT|NOFRAME|TOPFRAME, $0-0
	MOVW 8(R1), R3           // si_code: above 0 the kernel's own
	CMPW $0, R3
	BLE  sent
	MOVD ·runtimeHandler(SB), R3
	JMP  (R3)
sent:
	JMP  ·handler(SB)
