// SPDX-License-Identifier: Apache-2.0

package oci

import "os"

// cleanup is what undoes the steps that were done, the last one first. A step pushes its undo right after it was done, and success
// releases them all.
type cleanup []func()

func (c *cleanup) push(f func()) { *c = append(*c, f) }

// file pushes the closing of a file.
func (c *cleanup) file(f *os.File) { c.push(func() { f.Close() }) }

func (c *cleanup) release() { *c = nil }

// run undoes what was not released.
func (c *cleanup) run() {
	for i := len(*c) - 1; i >= 0; i-- {
		(*c)[i]()
	}
	*c = nil
}
