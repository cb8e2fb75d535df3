// SPDX-License-Identifier: Apache-2.0

// Package header reads the C header that defines the plan and the socket protocol, and writes its Go form.
//
// It knows just the C that protocol.h is written in:
//
//	#define CR_NAME number            a constant
//	enum cr_x { CR_A = 1, CR_B, ... } constants that count on
//	struct cr_x { uint32_t a, b; … }  a struct without padding (both compilers are held to its size by assertions)
//	X(NAME, number, "shape", "text")  a step of the plan
package header
