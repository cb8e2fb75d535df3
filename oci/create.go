// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"context"
	"errors"
	"os"

	"crisp/conmon"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// CreateRequest says what to create. Files stay the caller's.
type CreateRequest struct {
	ID      string
	Monitor *conmon.Client
	Spec    *specs.Spec
	// Bundle is the directory that a relative root.path starts at.
	Bundle string
	// Rootfs is a detached mount (fsmount, open_tree) that becomes the root; nil: spec.Root.Path is opened.
	Rootfs *os.File
	// Mounts are detached mounts that take the place of the sources of the bind mounts in Spec, by their destination as it stands
	// there (image volumes, the pod's /dev/shm). Each is cloned, so that one file may serve several containers.
	Mounts map[string]*os.File
	// ExecFile is executed instead of the file named by process.args[0]; nothing of it need be in the rootfs.
	ExecFile              *os.File
	Log, ExitDir          *os.File // see conmon.CreateRequest
	TTY, Stdin, StdinOnce bool
}

// Create makes the cgroup, opens the files that the plan asks for and has the monitor carry the plan out: then the container
// stands before its exec. On error everything that was made is undone.
func (r *Runtime) Create(ctx context.Context, q CreateRequest) (*Container, error) {
	return nil, errors.ErrUnsupported
}

// LoadRequest names a container that exists, after a restart of the daemon.
type LoadRequest struct {
	ID      string
	Spec    *specs.Spec
	Pid     int // of its first process; 0: it has exited
	Monitor *conmon.Client
}

// Load returns the handle of a container that an earlier Create made.
func (r *Runtime) Load(ctx context.Context, q LoadRequest) (*Container, error) {
	return nil, errors.ErrUnsupported
}
