// SPDX-License-Identifier: Apache-2.0

#include "textflag.h"

// func int80(nr, a, b uint32) (result int32)
TEXT ·int80(SB),NOSPLIT,$0-20
	MOVL nr+0(FP), AX
	MOVL a+4(FP), BX
	MOVL b+8(FP), CX
	MOVL $-1, DX
	MOVL $-1, SI
	MOVL $-1, DI
	INT $0x80
	MOVL AX, result+16(FP)
	RET
