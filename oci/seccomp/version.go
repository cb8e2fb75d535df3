// SPDX-License-Identifier: Apache-2.0

package seccomp

// Version is that of the compiler: it changes whenever a profile's program does, so that programs which were kept are not used any more.
// TestVersionStandsForThePrograms holds the two together.
const Version = 1
