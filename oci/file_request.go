// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"fmt"
	"strings"

	"crisp/conmon/plan"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// FileKind says what the file of a register is.
type FileKind int

// The kinds of files.
const (
	FileRootfs             FileKind = iota + 1 // CreateRequest.Rootfs
	FileExec                                   // CreateRequest.ExecFile
	FileCgroup                                 // the container's cgroup directory (v2)
	FileCgroupTasks                            // file Index of the container's cgroup files (v1)
	FileProcfs                                 // the daemon's own, detached procfs
	FileNamespace                              // the namespace Path
	FileTree                                   // a detached copy of the mount at Path
	FileMount                                  // a detached copy of CreateRequest.Mounts[Path]
	FileContainer                              // the pidfd of the container's first process
	FileContainerNamespace                     // the namespace of the container's first process that is of the type Namespace
	FileStart                                  // CreateRequest.Start
	FileExtra                                  // CreateRequest.Extra[Index]
	FileHalt                                   // the process's end of its halt
	FileContainerRoot                          // the root directory of the container's first process
	FileShown                                  // where the process hands over its root that others see
	FileCopyUp                                 // where the process sends the directories of mounts[Index] with tmpcopyup
	FileAgent                                  // where the process hands its seccomp listener over
	FileTerminal                               // where the process shows its terminal before it goes on
	FileUserNamespace                          // a user namespace with the mappings IDMap, made by newuidmap(1) and newgidmap(1)
	FileResctrl                                // the file Path of the resctrl file system, to be written to
)

// FileRequest says how the daemon opens the file of one register.
type FileRequest struct {
	Kind  FileKind
	Path  string
	Index int

	// Of a namespace.
	Namespace uint64 // CLONE_NEW*: it must be of this type
	NotHost   bool   // it must not be the daemon's own

	// Of a detached copy.
	NoFollow   bool         // of a symlink itself
	Recursive  bool         // with the mounts below it
	Attributes []Attributes // set one after the other
	IDs        fileIDs      // of a copy-up: whom files are made as
	IDMap      *IDMap       // nil: as the source has it
	Later      bool         // the process itself sets the attributes: there is no mount_setattr(2)
	Locked     bool         // flags that the source has may not go: the mount is for another user namespace

	Note string // in words: "source of the mount /data"
}

// Attributes is one change of the attributes of a mount.
type Attributes struct {
	Set, Clear  uint64 // MOUNT_ATTR_*
	Propagation uint64 // MS_PRIVATE, …; 0: as it is
	Recursive   bool   // of the mounts below it too
}

// IDMap maps the owners that a mount shows.
type IDMap struct {
	UIDs, GIDs []specs.LinuxIDMapping
	Recursive  bool
}

// String returns one line for golden texts.
func (f FileRequest) String() string {
	var b strings.Builder
	b.WriteString(fileKindNames.get(f.Kind))
	if f.Path != "" {
		fmt.Fprintf(&b, " %q", f.Path)
	}
	switch f.Kind {
	case FileCgroupTasks, FileExtra:
		fmt.Fprintf(&b, " %d", f.Index)
	case FileNamespace, FileContainerNamespace:
		fmt.Fprintf(&b, " type=%s", plan.Namespaces(f.Namespace))
		if f.NotHost {
			b.WriteString(" not-host")
		}
	}
	if f.NoFollow {
		b.WriteString(" nofollow")
	}
	if f.Recursive {
		b.WriteString(" recursive")
	}
	for _, at := range f.Attributes {
		fmt.Fprintf(&b, " %s", at)
	}
	if f.Later {
		b.WriteString(" later")
	}
	if f.Locked {
		b.WriteString(" locked")
	}
	if f.IDMap != nil {
		fmt.Fprintf(&b, " idmap(%q %q recursive=%v)", idMapText(f.IDMap.UIDs), idMapText(f.IDMap.GIDs), f.IDMap.Recursive)
	}
	return b.String() + " ; " + f.Note
}

var fileKindNames = table[FileKind, string]{
	{FileRootfs, "rootfs"}, {FileExec, "exec"}, {FileCgroup, "cgroup"}, {FileCgroupTasks, "cgroup-tasks"}, {FileProcfs, "procfs"},
	{FileNamespace, "namespace"}, {FileTree, "tree"}, {FileMount, "mount"}, {FileContainer, "container"},
	{FileContainerNamespace, "container-namespace"}, {FileCopyUp, "copy-up"}, {FileStart, "start"}, {FileExtra, "extra"}, {FileHalt, "halt"},
	{FileResctrl, "resctrl"}, {FileUserNamespace, "user-namespace"}, {FileAgent, "agent"}, {FileTerminal, "terminal"},
	{FileContainerRoot, "container-root"}, {FileShown, "shown"},
}

// String returns the change as in "{set RDONLY recursive}".
func (a Attributes) String() string {
	var words []string
	if a.Set != 0 {
		words = append(words, "set "+plan.MountAttributes(a.Set))
	}
	if a.Clear != 0 {
		words = append(words, "clear "+plan.MountAttributes(a.Clear))
	}
	if a.Propagation != 0 {
		words = append(words, "propagation "+plan.MountFlags(a.Propagation))
	}
	if a.Recursive {
		words = append(words, "recursive")
	}
	return "{" + strings.Join(words, " ") + "}"
}

func (a Attributes) flags() uint64 {
	if a.Recursive {
		return unix.AT_RECURSIVE
	}
	return 0
}

// idMapText is the text of /proc/PID/uid_map and gid_map: one line "inside outside length" a mapping (user_namespaces(7)).
func idMapText(m []specs.LinuxIDMapping) string {
	var b strings.Builder
	for _, l := range m {
		fmt.Fprintf(&b, "%d %d %d\n", l.ContainerID, l.HostID, l.Size)
	}
	return b.String()
}
