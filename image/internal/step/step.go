// SPDX-License-Identifier: Apache-2.0

// Package step names the points of an operation at which what is on disk changes, for tests that end the process there.
package step

// A Func is told of each step before it is taken. The zero Func is told nothing.
type Func func(name string)

// Take tells of a step.
func (f Func) Take(name string) {
	if f != nil {
		f(name)
	}
}
