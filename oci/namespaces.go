// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"cmp"
	"encoding/binary"
	"slices"
	"sort"
	"strings"

	"crisp/conmon/plan"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// namespaceFlags are the CLONE_NEW* of the types of linux.namespaces.
var namespaceFlags = table[specs.LinuxNamespaceType, uint64]{
	{specs.PIDNamespace, unix.CLONE_NEWPID}, {specs.NetworkNamespace, unix.CLONE_NEWNET}, {specs.MountNamespace, unix.CLONE_NEWNS},
	{specs.IPCNamespace, unix.CLONE_NEWIPC}, {specs.UTSNamespace, unix.CLONE_NEWUTS}, {specs.UserNamespace, unix.CLONE_NEWUSER},
	{specs.CgroupNamespace, unix.CLONE_NEWCGROUP}, {specs.TimeNamespace, unix.CLONE_NEWTIME},
}

// containerNamespaceFiles are the names in /proc/PID/ns. A process that is about to execute the workload is in the time namespace of its
// children only then.
var containerNamespaceFiles = table[uint64, string]{
	{unix.CLONE_NEWNET, "net"}, {unix.CLONE_NEWNS, "mnt"}, {unix.CLONE_NEWIPC, "ipc"}, {unix.CLONE_NEWUTS, "uts"}, {unix.CLONE_NEWCGROUP, "cgroup"},
	{unix.CLONE_NEWTIME, "time_for_children"},
}

// namespace returns the entry of a type, nil: the container stays in the daemon's.
func namespace(spec *specs.Spec, t specs.LinuxNamespaceType) *specs.LinuxNamespace {
	if spec.Linux == nil {
		return nil
	}
	i := slices.IndexFunc(spec.Linux.Namespaces, func(n specs.LinuxNamespace) bool { return n.Type == t })
	if i < 0 {
		return nil
	}
	return &spec.Linux.Namespaces[i]
}

func (a *assembly) has(t specs.LinuxNamespaceType) bool { return namespace(a.spec, t) != nil }

// requestCgroups requests what the process enters its cgroups by.
func (a *assembly) requestCgroups() {
	if a.opts.Host.CgroupDir {
		a.plan.CgroupFD = a.file(FileRequest{Kind: FileCgroup, Note: "open the cgroup"})
	}
	for i, name := range a.opts.Host.CgroupTasks {
		r := a.file(FileRequest{Kind: FileCgroupTasks, Index: i, Note: "open the cgroup of " + name})
		a.cgroups = append(a.cgroups, r)
	}
	a.requestResctrl()
}

// enterCgroups moves the process into its cgroups where clone3 did not. The files were opened by the daemon, whose rights count.
func (a *assembly) enterCgroups() {
	for i, r := range a.cgroups {
		a.about("enter the cgroup of %s", a.opts.Host.CgroupTasks[i])
		s := a.step(plan.OpWrite)
		s.FD, s.Blob = r, []byte("0")
		a.close(r)
	}
	a.enterResctrl()
}

// requestNamespaces requests the namespaces that are joined, and asks clone3 for the new ones but for
//
//   - cgroup: its root is the cgroup of whoever makes it, so that the process must be in its own first;
//   - time with offsets: they can be set only while nobody is in it, and unshare(2) moves the process at its exec.
func (a *assembly) requestNamespaces() {
	for _, n := range a.inJoinOrder() {
		flag := namespaceFlags.get(n.Type)
		switch {
		case n.Path != "":
			a.requestJoin(n, flag)
		case n.Type == specs.CgroupNamespace:
		case n.Type == specs.UserNamespace && a.opts.Host.Rootless && !a.opts.Host.MapsIDs && !a.selfMapped():
			a.plan.JoinUser = a.file(FileRequest{
				Kind: FileUserNamespace, IDMap: &IDMap{UIDs: a.spec.Linux.UIDMappings, GIDs: a.spec.Linux.GIDMappings}, Note: "make the user namespace",
			})
			continue
		case n.Type == specs.TimeNamespace && len(a.spec.Linux.TimeOffsets) > 0:
		default:
			a.plan.CloneFlags |= flag
		}
		if n.Type == specs.UserNamespace && n.Path == "" {
			a.plan.UIDMap, a.plan.GIDMap = idMapText(a.spec.Linux.UIDMappings), idMapText(a.spec.Linux.GIDMappings)
		}
	}
}

// inJoinOrder is the spec's namespaces, with those in a row that can be plan.Plan.Joins.
func (a *assembly) inJoinOrder() []specs.LinuxNamespace {
	all := slices.Clone(a.spec.Linux.Namespaces)
	row := func(t specs.LinuxNamespaceType) int {
		if t == specs.UserNamespace || t == specs.PIDNamespace || t == specs.CgroupNamespace {
			return 0
		}
		return 1
	}
	slices.SortStableFunc(all, func(n, o specs.LinuxNamespace) int { return cmp.Compare(row(n.Type), row(o.Type)) })
	return all
}

// requestJoin requests a namespace that is joined: user and PID namespaces before the clone, others by the process itself; but where it is
// in a user namespace those too, for it has no rights then to those that the user namespace does not own.
func (a *assembly) requestJoin(n specs.LinuxNamespace, flag uint64) {
	r := a.file(FileRequest{
		Kind: FileNamespace, Path: n.Path, Namespace: flag, NotHost: sysctlNeeds(a.spec.Linux.Sysctl, n.Type),
		Note: "open the " + string(n.Type) + " namespace",
	})
	switch n.Type {
	case specs.UserNamespace:
		a.plan.JoinUser = r
	case specs.PIDNamespace:
		a.plan.JoinPID = r
	default:
		a.join(joined{string(n.Type), flag, r})
	}
}

// join has a namespace joined: before the clone, or by a step. That of cgroups is always joined by a step: with cgroup v2 the clone is into
// the container's cgroup, which is not allowed from a namespace that the executor's own cgroup is not in (nsdelegate; ENOENT).
func (a *assembly) join(n joined) {
	if a.userns && n.flag != unix.CLONE_NEWCGROUP {
		a.plan.Joins = append(a.plan.Joins, n.reg)
		return
	}
	a.namespaces = append(a.namespaces, n)
}

// enterNamespaces joins and makes what clone3 did not.
func (a *assembly) enterNamespaces() {
	for _, n := range a.namespaces {
		a.about("join the %s namespace", n.name)
		a.step(plan.OpSetns, n.flag).FD = n.reg
		a.close(n.reg)
	}
	if n := namespace(a.spec, specs.CgroupNamespace); n != nil && n.Path == "" {
		a.about("make the cgroup namespace")
		a.step(plan.OpUnshare, unix.CLONE_NEWCGROUP)
	}
	if len(a.spec.Linux.TimeOffsets) > 0 {
		a.about("make the time namespace")
		a.step(plan.OpUnshare, unix.CLONE_NEWTIME)
		a.about("set the clocks' offsets")
		a.write(a.proc, "self/timens_offsets", timeOffsets(a.spec.Linux.TimeOffsets), true)
	}
}

// timeOffsets is the text of /proc/PID/timens_offsets: one line "clock seconds nanoseconds" each (time_namespaces(7)).
func timeOffsets(offsets map[string]specs.LinuxTimeOffset) string {
	var lines []string
	for clock, o := range offsets {
		lines = append(lines, clock+" "+itoa(o.Secs)+" "+itoa(o.Nanosecs)+"\n")
	}
	sort.Strings(lines)
	return strings.Join(lines, "")
}

// raiseLoopback brings lo up in a network namespace that is made for the container, as runc and crun do: the kernel gives it 127.0.0.1 and
// ::1 then. What somebody else made is theirs to set up.
func (a *assembly) raiseLoopback() {
	n := namespace(a.spec, specs.NetworkNamespace)
	if n == nil || n.Path != "" {
		return
	}
	a.about("bring lo up")
	r := a.reg()
	a.step(plan.OpSocket, unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC).Out = r // any will do: netdevice(7)
	s := a.step(plan.OpIoctl, unix.SIOCSIFFLAGS)
	s.FD, s.Blob = r, make([]byte, 40) // struct ifreq: a name of 16 bytes, then short ifr_flags
	copy(s.Blob, "lo")
	binary.NativeEndian.PutUint16(s.Blob[unix.IFNAMSIZ:], unix.IFF_UP)
	a.close(r)
}

// becomeRoot makes the process root of its user namespace, in which it has all capabilities but still the daemon's IDs.
func (a *assembly) becomeRoot() {
	if !a.userns {
		return
	}
	a.about("become root of the user namespace")
	a.step(plan.OpSetgroups)
	a.tolerateGroups()
	a.step(plan.OpSetresgid, 0, 0, 0)
	a.step(plan.OpSetresuid, 0, 0, 0)
	a.show()
}

// setHostname names the host that the container is.
func (a *assembly) setHostname() {
	if a.spec.Hostname != "" {
		a.about("set the hostname")
		a.step(plan.OpSethostname).Blob = []byte(a.spec.Hostname)
	}
	if a.spec.Domainname != "" {
		a.about("set the domain name")
		a.step(plan.OpSetdomainname).Blob = []byte(a.spec.Domainname)
	}
}
