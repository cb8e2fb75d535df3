// SPDX-License-Identifier: Apache-2.0

package cgroup

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// Mode says which versions of cgroups the host has mounted.
type Mode int

// The modes of a host.
const (
	V1     Mode = iota + 1 // controllers in v1 hierarchies
	Hybrid                 // as V1, with a v2 hierarchy beside them
	V2                     // one v2 hierarchy
)

// Config configures a Manager; the zero value is for production.
type Config struct {
	Root string // where the hierarchies are mounted; "" is /sys/fs/cgroup
	Log  *slog.Logger
}

// A Manager is the host's cgroup file systems. It is safe for concurrent use.
type Manager struct{}

// New finds the mounted hierarchies.
func New(Config) (*Manager, error) { return nil, errors.ErrUnsupported }

// Close closes the manager's directory fds. Its cgroups are unusable then.
func (m *Manager) Close() error { return nil }

// Mode says which versions of cgroups the host has mounted.
func (m *Manager) Mode() Mode { return V1 }

// Hierarchies names the hierarchies of Join.Procs, in its order ("cpu", "memory", "name=systemd", "unified" …).
// It is empty on v2.
func (m *Manager) Hierarchies() []string { return nil }

// Create makes the cgroup with these resources (nil: no limits), and its parents where they are missing. path is an
// absolute cgroupsPath in the cgroupfs form, like "/kubepods/pod1/crisp-ab12". Nothing of it is left on error.
func (m *Manager) Create(path string, r *specs.LinuxResources) (*Cgroup, error) {
	return nil, errors.ErrUnsupported
}

// Open returns the handle of a cgroup that exists already; ErrNotFound when it does in no hierarchy.
func (m *Manager) Open(path string) (*Cgroup, error) { return nil, errors.ErrUnsupported }

// A Cgroup is one cgroup, in all hierarchies. It holds no fds. It is safe for concurrent use.
type Cgroup struct{}

// Path is the path below the root of each hierarchy.
func (c *Cgroup) Path() string { return "" }

// A Join is how a process gets into the cgroup. The caller closes it.
type Join struct {
	Dir   *os.File   // v2: the directory, for CLONE_INTO_CGROUP; nil on v1 and hybrid
	Procs []*os.File // v1 and hybrid: cgroup.procs of every hierarchy, write-only: the process writes "0" to each; nil on v2
}

// Close closes the files.
func (j Join) Close() error { return nil }

// Join opens what a new process needs to get into the cgroup.
func (c *Cgroup) Join() (Join, error) { return Join{}, errors.ErrUnsupported }

// OOMFile opens the file with the line "oom_kill N": memory.events (v2) or memory.oom_control (v1).
func (c *Cgroup) OOMFile() (*os.File, error) { return nil, errors.ErrUnsupported }

// Set changes the given limits; what r leaves out stays. Either all of it is done or nothing: on an error what was written is written back.
func (c *Cgroup) Set(r *specs.LinuxResources) error { return errors.ErrUnsupported }

// Freeze stops all processes of the cgroup and waits until they are stopped.
func (c *Cgroup) Freeze(ctx context.Context) error { return errors.ErrUnsupported }

// Thaw lets them run again.
func (c *Cgroup) Thaw(ctx context.Context) error { return errors.ErrUnsupported }

// Pids returns the processes of the cgroup and of those below it, as the caller's PID namespace numbers them.
func (c *Cgroup) Pids() ([]int, error) { return nil, errors.ErrUnsupported }

// Kill kills every process of the cgroup and of those below it and waits until none is left, at most until ctx ends:
// then the error is a *StuckError that names them.
func (c *Cgroup) Kill(ctx context.Context) error { return errors.ErrUnsupported }

// Remove removes the cgroup and those below it. It is no error when it is gone already, and ErrBusy when a process is left.
func (c *Cgroup) Remove(ctx context.Context) error { return errors.ErrUnsupported }

// Stats reads what the cgroup has used.
func (c *Cgroup) Stats() (Stats, error) { return Stats{}, errors.ErrUnsupported }

// Stats is what a cgroup has used. Times are nanoseconds, sizes bytes. What the host cannot tell is zero.
type Stats struct {
	Time   time.Time
	CPU    CPUStats
	Memory MemoryStats
	Swap   SwapStats
	Pids   PidsStats
	IO     *Pressure // nil: the host has no PSI
	// OOMKills counts the processes that the OOM killer killed in the cgroup and below.
	OOMKills uint64
}

// CPUStats is a cgroup's use of CPU time.
type CPUStats struct {
	Usage, User, System               uint64
	Periods, Throttled, ThrottledTime uint64
	Pressure                          *Pressure
}

// MemoryStats is a cgroup's use of memory.
type MemoryStats struct {
	Usage           uint64 // with page cache
	WorkingSet      uint64 // Usage less the inactive page cache
	RSS             uint64 // anonymous memory
	PageFaults      uint64
	MajorPageFaults uint64
	Limit           uint64 // 0: none
	Pressure        *Pressure
}

// SwapStats is a cgroup's use of swap space.
type SwapStats struct {
	Usage uint64
	Limit uint64 // of swap alone; NoLimit: none
}

// NoLimit stands for "max".
const NoLimit = ^uint64(0)

// PidsStats counts a cgroup's tasks.
type PidsStats struct {
	Current uint64
	Limit   uint64 // 0: none
}

// Pressure is the kernel's pressure stall information.
type Pressure struct {
	Some, Full PressureLine
}

// PressureLine is one line of it. The averages are percents.
type PressureLine struct {
	Avg10, Avg60, Avg300 float64
	Total                uint64 // nanoseconds
}
