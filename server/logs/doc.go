// SPDX-License-Identifier: Apache-2.0

// Package logs sets up the daemon's log, and leads into it what libraries log their own way.
package logs
