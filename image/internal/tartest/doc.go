// SPDX-License-Identifier: Apache-2.0

// Package tartest makes layer archives for tests from tables of entries, and describes unpacked trees as lines of text to compare.
package tartest
