// SPDX-License-Identifier: Apache-2.0

#include "textflag.h"

// entry goes on to the Go runtime's own. What entry_amd64.s does besides is not written for this processor yet.
TEXT ·entry(SB), NOSPLIT|NOFRAME, $0
	B	_rt0_arm64_linux(SB)
