// SPDX-License-Identifier: Apache-2.0

package signalpipe

// action is struct sigaction as rt_sigaction(2) takes it.
type action struct {
	handler  uintptr
	flags    uint64
	restorer uintptr
	mask     uint64
}
