// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"fmt"
	"math/bits"
	"strings"

	"golang.org/x/sys/unix"
)

// bitNames names the bits of a set of flags, those of several bits first.
type bitNames []struct {
	bits uint64
	name string
}

// text joins the names of the bits by "|"; what has none is a number.
func (n bitNames) text(v uint64) string {
	var all []string
	for _, f := range n {
		if f.bits != 0 && v&f.bits == f.bits {
			all = append(all, f.name)
			v &^= f.bits
		}
	}
	if v != 0 || len(all) == 0 {
		all = append(all, number(v))
	}
	return strings.Join(all, "|")
}

var msFlags = bitNames{
	{unix.MS_BIND, "BIND"}, {unix.MS_REMOUNT, "REMOUNT"}, {unix.MS_MOVE, "MOVE"}, {unix.MS_REC, "REC"}, {unix.MS_RDONLY, "RDONLY"},
	{unix.MS_PRIVATE, "PRIVATE"}, {unix.MS_SLAVE, "SLAVE"}, {unix.MS_SHARED, "SHARED"}, {unix.MS_UNBINDABLE, "UNBINDABLE"},
}

var umountFlags = bitNames{{unix.MNT_FORCE, "FORCE"}, {unix.MNT_DETACH, "DETACH"}, {unix.MNT_EXPIRE, "EXPIRE"}, {unix.UMOUNT_NOFOLLOW, "NOFOLLOW"}}

// treeFlags are those of open_tree(2) and mount_setattr(2).
var treeFlags = bitNames{
	{unix.AT_RECURSIVE, "RECURSIVE"}, {unix.OPEN_TREE_CLONE, "CLONE"}, {unix.AT_EMPTY_PATH, "EMPTY_PATH"},
	{unix.AT_SYMLINK_NOFOLLOW, "SYMLINK_NOFOLLOW"}, {unix.AT_NO_AUTOMOUNT, "NO_AUTOMOUNT"},
}

var attrFlags = bitNames{
	{unix.MOUNT_ATTR__ATIME, "ATIME"}, {unix.MOUNT_ATTR_RDONLY, "RDONLY"}, {unix.MOUNT_ATTR_NOSUID, "NOSUID"}, {unix.MOUNT_ATTR_NODEV, "NODEV"},
	{unix.MOUNT_ATTR_NOEXEC, "NOEXEC"}, {unix.MOUNT_ATTR_NOATIME, "NOATIME"}, {unix.MOUNT_ATTR_STRICTATIME, "STRICTATIME"},
	{unix.MOUNT_ATTR_NODIRATIME, "NODIRATIME"}, {unix.MOUNT_ATTR_NOSYMFOLLOW, "NOSYMFOLLOW"}, {unix.MOUNT_ATTR_IDMAP, "IDMAP"},
}

// MountAttributes is the text of MOUNT_ATTR_* flags: "RDONLY|NOSUID".
func MountAttributes(v uint64) string { return attrFlags.text(v) }

// MountFlags is the text of MS_* flags: "REC|SLAVE".
func MountFlags(v uint64) string { return msFlags.text(v) }

var openFlags = bitNames{
	{unix.O_TMPFILE, "TMPFILE"}, {unix.O_DIRECTORY, "DIRECTORY"}, {unix.O_PATH, "PATH"}, {unix.O_NOFOLLOW, "NOFOLLOW"}, {unix.O_RDWR, "RDWR"},
	{unix.O_WRONLY, "WRONLY"}, {unix.O_CREAT, "CREAT"}, {unix.O_EXCL, "EXCL"}, {unix.O_TRUNC, "TRUNC"}, {unix.O_APPEND, "APPEND"},
	{unix.O_NONBLOCK, "NONBLOCK"}, {unix.O_CLOEXEC, "CLOEXEC"},
}

var resolveFlags = bitNames{
	{unix.RESOLVE_NO_XDEV, "NO_XDEV"}, {unix.RESOLVE_NO_MAGICLINKS, "NO_MAGICLINKS"}, {unix.RESOLVE_NO_SYMLINKS, "NO_SYMLINKS"},
	{unix.RESOLVE_BENEATH, "BENEATH"}, {unix.RESOLVE_IN_ROOT, "IN_ROOT"},
}

var seccompFlags = bitNames{
	{unix.SECCOMP_FILTER_FLAG_TSYNC, "TSYNC"}, {unix.SECCOMP_FILTER_FLAG_LOG, "LOG"}, {unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW, "SPEC_ALLOW"},
	{unix.SECCOMP_FILTER_FLAG_NEW_LISTENER, "NEW_LISTENER"}, {unix.SECCOMP_FILTER_FLAG_TSYNC_ESRCH, "TSYNC_ESRCH"},
	{unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, "WAIT_KILLABLE_RECV"},
}

var cloneFlags = bitNames{
	{unix.CLONE_NEWUSER, "NEWUSER"}, {unix.CLONE_NEWNS, "NEWNS"}, {unix.CLONE_NEWUTS, "NEWUTS"}, {unix.CLONE_NEWIPC, "NEWIPC"},
	{unix.CLONE_NEWPID, "NEWPID"}, {unix.CLONE_NEWNET, "NEWNET"}, {unix.CLONE_NEWCGROUP, "NEWCGROUP"}, {unix.CLONE_NEWTIME, "NEWTIME"},
}

// Namespaces is the text of CLONE_NEW* flags: "NEWNS|NEWPID".
func Namespaces(v uint64) string { return cloneFlags.text(v) }

// capabilityNames are by number (capabilities(7)), without "CAP_".
func capabilityNames() []string {
	return strings.Fields(`CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE
	NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE
	SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND
	AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE`)
}

// capabilities is a mask in words; nearly all of them are told by what is missing.
func capabilities(v uint64) string {
	known := capabilityNames()
	all := uint64(1)<<len(known) - 1
	switch {
	case v == 0:
		return "none"
	case v&all == all:
		return "all"
	case bits.OnesCount64(v&all) > len(known)-8:
		return "all but " + capabilities(all&^v)
	}
	var names []string
	for ; v != 0; v &= v - 1 {
		i := bits.TrailingZeros64(v)
		if i < len(known) {
			names = append(names, known[i])
		} else {
			names = append(names, fmt.Sprint(i))
		}
	}
	return strings.Join(names, "|")
}

// resource is a limit of getrlimit(2).
func resource(v uint64) string {
	return named(v, "CPU", "FSIZE", "DATA", "STACK", "CORE", "RSS", "NPROC", "NOFILE", "MEMLOCK", "AS", "LOCKS", "SIGPENDING", "MSGQUEUE", "NICE",
		"RTPRIO", "RTTIME")
}
