// SPDX-License-Identifier: Apache-2.0

package operation

// undo is what undoes the steps that were done, the last one first. A step pushes its undo right after it was done; success releases them.
type undo []func()

func (u *undo) push(f func()) { *u = append(*u, f) }

func (u *undo) release() { *u = nil }

func (u *undo) run() {
	for i := len(*u) - 1; i >= 0; i-- {
		(*u)[i]()
	}
	*u = nil
}
