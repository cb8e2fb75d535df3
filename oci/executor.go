// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"context"

	"crisp/conmon"
)

// An Executor carries out plans. There are two: the daemon's monitor of a pod (*conmon.Client), and the one of package operation,
// which has each plan carried out by an executor of its own that is gone afterwards.
type Executor interface {
	// Create makes a process that stands at its plan's barrier, or runs if the plan has none.
	Create(context.Context, conmon.CreateRequest) (conmon.Process, error)
	// StartContainer lets a created process execute the workload.
	StartContainer(ctx context.Context, id string) error
	// Exec makes a process and returns when its exec has succeeded.
	Exec(context.Context, conmon.ExecRequest) (*conmon.Exec, error)
	// List returns what the executor has made.
	List(context.Context) ([]conmon.State, error)
}

var _ Executor = (*conmon.Client)(nil)
