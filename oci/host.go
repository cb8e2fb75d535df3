// SPDX-License-Identifier: Apache-2.0

package oci

// Host is what a plan depends on of the machine.
type Host struct {
	CgroupDir    bool        // processes are cloned into a cgroup v2 directory
	CgroupTasks  []string    // the hierarchies that processes write themselves into, in the order of their files
	Hierarchies  []Hierarchy // mounted cgroup v1 hierarchies; none: cgroup v2 only
	UnifiedMount string      // where cgroup v2 is mounted, "" nowhere

	AppArmor, SELinux bool
	// AppArmorDir: AppArmor has files of its own in /proc/PID/attr (Linux 5.8).
	AppArmorDir bool

	// Rootless: this process may not mount: what a container needs of that its own process does. UID and GID are its own.
	Rootless bool
	UID, GID uint32
	MapsIDs  bool // it may map others than its own
	// UserNamespace: this is not the host's user namespace; GroupsDenied: and setgroups(2) is forbidden in it.
	UserNamespace, GroupsDenied bool

	// NoSetattr: there is no mount_setattr(2), or not with all attributes that there are names for (before Linux 5.14).
	NoSetattr bool
	// TimeOffsets: an exec moves the process into the time namespace that it made (Linux 6.2, timens_on_fork in begin_new_exec).
	TimeOffsets bool

	// Capabilities are those that a process outside of a user namespace can be given at most.
	Capabilities uint64
	// RaiseLimits: rlimits may go over HardLimits, by resource, which are those of the daemon.
	RaiseLimits bool
	HardLimits  map[int]uint64
}

// Unified says whether the host has cgroup v2 only.
func (h Host) Unified() bool { return len(h.Hierarchies) == 0 }
