// SPDX-License-Identifier: Apache-2.0

#include "textflag.h"

// func int80(nr uint32) (result int32)
TEXT ·int80(SB),NOSPLIT,$0-12
	MOVL nr+0(FP), AX
	MOVL $-1, BX
	MOVL $-1, CX
	MOVL $-1, DX
	MOVL $-1, SI
	MOVL $-1, DI
	INT $0x80
	MOVL AX, result+8(FP)
	RET
