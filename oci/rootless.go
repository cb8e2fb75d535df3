// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"strconv"
	"strings"

	"crisp/conmon/plan"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// Without root (Host.Rootless) a container needs a user namespace of its own, and what root does outside of it its process does inside:
//
//	                    root                                     an ordinary user
//	uid_map, gid_map    the executor                             the executor: the user's own ID; else newuidmap, newgidmap (idmap.go)
//	sources of mounts   open_tree by us, before the clone        open_tree by the process, before it becomes root: a directory of the
//	                                                             user's may be closed to the root of the namespace
//	devices             mknod; bound in a user namespace         bound
//	/proc for writing   our own, mounted nowhere                 the host's, checked for being one
//	/proc/PID           hidden                                   the user's to see: hooks and other programs go by it
//	supplementary groups  dropped                                stay, where setgroups is denied: the kernel lets nobody drop them
//	cgroups             made                                     made where the user may, else none (CreateRequest.Spec says which)
//
// Root of a user namespace, as in a container, is root here, but for what the kernel keeps for the host's (Host.UserNamespace).

// opened says whether the sources of mounts are opened by us: in a user namespace the host's mounts are locked together and
// cannot be copied one by one (mount_namespaces(7)).
func (a *assembly) opened() bool { return a.userns && !a.opts.Host.Rootless }

// inUserNamespace says whether the process has no rights but those that a user namespace gives.
func (a *assembly) inUserNamespace() bool { return a.userns || a.opts.Host.UserNamespace }

// ownNamespace says whether the process's user namespace is made for it.
func (a *assembly) ownNamespace() bool {
	n := namespace(a.spec, specs.UserNamespace)
	return n != nil && n.Path == ""
}

// exposed says whether the process may be looked at by its user: in a user namespace that was made for it there is nobody else who could.
func (a *assembly) exposed() bool {
	return a.opts.Host.Rootless && a.container == plan.NoReg && a.ownNamespace()
}

func dumpable(is bool) uint64 {
	if is {
		return 1
	}
	return 0
}

// show makes /proc/PID the user's again, after a step that made it root's.
func (a *assembly) show() {
	if a.exposed() {
		a.step(plan.OpPrctl, unix.PR_SET_DUMPABLE, 1)
	}
}

// selfMapped says whether the mappings are what everybody may have: their own ID, alone (user_namespaces(7)).
func (a *assembly) selfMapped() bool {
	l := a.spec.Linux
	return isOwnID(l.UIDMappings, a.opts.Host.UID) && isOwnID(l.GIDMappings, a.opts.Host.GID)
}

func isOwnID(all []specs.LinuxIDMapping, id uint32) bool {
	return len(all) == 1 && all[0].Size == 1 && all[0].HostID == id
}

// groupsDenied says whether setgroups(2) is, or may be, forbidden.
func (a *assembly) groupsDenied() bool {
	h := &a.opts.Host
	if a.userns && !a.ownNamespace() { // as whoever made it decided (user_namespaces(7), /proc/PID/setgroups)
		return true
	}
	return h.GroupsDenied || h.Rootless && (a.container != plan.NoReg || !a.ownNamespace() || a.selfMapped())
}

// tolerateGroups goes on when groups cannot be dropped because they never can; those that the spec asks for are another matter.
func (a *assembly) tolerateGroups() {
	if a.groupsDenied() && len(a.process.User.AdditionalGids) == 0 {
		a.tolerate(unix.EPERM)
	}
}

// openByUser opens what is mounted, as the user and in the container's mount namespace.
func (a *assembly) openByUser() {
	if a.opts.Host.Rootless {
		a.openRoot()
		a.openSources(false)
	}
}

// checkUserNamespace refuses what a user namespace makes impossible, and of somebody who is not root what runc does
// (libcontainer/configs/validate/rootless.go).
func (a *assembly) checkUserNamespace() error {
	if a.opts.Host.Rootless {
		if err := a.checkRootless(); err != nil {
			return err
		}
	}
	if !a.ownNamespace() {
		return nil
	}
	for i := range a.spec.Mounts {
		if err := a.checkOwners(i); err != nil {
			return err
		}
	}
	return nil
}

func (a *assembly) checkRootless() error {
	l := a.spec.Linux
	switch {
	case namespace(a.spec, specs.UserNamespace) == nil:
		return rootless("linux.namespaces", "rootless container requires user namespaces")
	case len(l.NetDevices) > 0:
		return rootless("linux.netDevices", "network devices are not supported for rootless containers")
	case len(l.TimeOffsets) > 0 && !a.ownNamespace(): // others in there could look at it while it may write its own files in /proc
		return rootless("linux.timeOffsets", "rootless container that joins a user namespace")
	case a.groupsDenied() && len(a.process.User.AdditionalGids) > 0:
		return rootless("process.user.additionalGids", "cannot set any additional groups in a rootless container")
	}
	for i := range a.spec.Mounts {
		m := &a.spec.Mounts[i]
		o := parseMountOptions(m.Options)
		if o.idmap || len(m.UIDMappings) > 0 || len(m.GIDMappings) > 0 {
			return rootless(at("mounts", i)+".uidMappings", "id-mapped mounts are not supported for rootless containers")
		}
		if root, ok := hostID(l.UIDMappings, 0); o.copyUp && (!ok || root != a.opts.Host.UID) { // it is us who copies
			return rootless(at("mounts", i)+".options", "tmpcopyup: root of a rootless container would have to be its user")
		}
	}
	return nil
}

func rootless(field, reason string) error {
	return &FieldError{Field: field, Reason: reason, Err: ErrRootless}
}

// checkOwners refuses the options uid= and gid= of IDs that the user namespace does not have: the kernel says EINVAL, and not of what.
func (a *assembly) checkOwners(i int) error {
	for _, o := range a.spec.Mounts[i].Options {
		if !strings.HasPrefix(o, "uid=") && !strings.HasPrefix(o, "gid=") {
			continue
		}
		all := a.spec.Linux.UIDMappings
		if o[0] == 'g' {
			all = a.spec.Linux.GIDMappings
		}
		id, err := strconv.ParseUint(o[len("uid="):], 10, 32)
		if _, ok := hostID(all, uint32(id)); err == nil && !ok {
			return invalid(at("mounts", i)+".options", "cannot specify "+o+" mount option: the user namespace does not have this ID")
		}
	}
	return nil
}
