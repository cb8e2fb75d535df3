// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"encoding/binary"
	"fmt"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// words are how a step is told in words: what stands before each of its fields, and what its numbers mean.
type words struct {
	f, g, s, t, u string
	args          [4]arg
	blob          func([]byte) string // nil: its size
}

// arg is one of the numbers of a step.
type arg struct {
	label  string
	text   func(uint64) string
	always bool // told when it is 0 too
}

// vocabulary has the words of each operation whose fields do not speak for themselves. Labels are those of the system call's manual page.
func vocabulary() map[Op]words {
	learned.Do(func() {
		learnedWords = map[Op]words{
			OpSetns:            {args: [4]arg{{"type", Namespaces, false}}},
			OpUnshare:          {args: [4]arg{{"", Namespaces, false}}},
			OpMount:            {f: "on", t: "on", u: "type", args: [4]arg{{"flags", MountFlags, false}}},
			OpUmount:           {args: [4]arg{{"flags", umountFlags.text, false}}},
			OpFsconfig:         {g: "aux", t: "=", args: [4]arg{{"", fsconfigCommand, true}, {"aux", number, false}}},
			OpFsmount:          {args: [4]arg{{"attr", MountAttributes, false}}},
			OpOpenTree:         {f: "at", args: [4]arg{{"flags", treeFlags.text, false}}},
			OpMountSetattr:     {g: "userns", args: [4]arg{{"flags", treeFlags.text, false}, {"set", MountAttributes, false}, {"clear", MountAttributes, false}, {"propagation", MountFlags, false}}},
			OpMoveMount:        {g: "to", s: "to", args: [4]arg{{"flags", number, false}}},
			OpOpenat2:          {f: "at", args: [4]arg{{"flags", openFlags.text, false}, {"mode", octal, false}, {"resolve", resolveFlags.text, false}}},
			OpMkdirat:          {f: "at", args: [4]arg{{"mode", octal, true}}},
			OpMknodat:          {f: "at", args: [4]arg{{"", fileMode, true}, {"device", device, false}}},
			OpSymlinkat:        {f: "at", t: "to"},
			OpFchownat:         {f: "at", args: [4]arg{{"uid", id, true}, {"gid", id, true}}},
			OpPivotRoot:        {t: "old root"},
			OpSethostname:      {blob: quoted},
			OpSetdomainname:    {blob: quoted},
			OpSchedSetattr:     {blob: scheduler},
			OpSchedSetaffinity: {blob: cpus},
			OpPrctl:            {args: [4]arg{{"", prctlOption, true}, {"", number, true}, {"", number, false}, {"", number, false}}},
			OpUmask:            {args: [4]arg{{"", octal, true}}},
			OpSetresuid:        {args: [4]arg{{"real", id, true}, {"effective", id, true}, {"saved", id, true}}},
			OpSetresgid:        {args: [4]arg{{"real", id, true}, {"effective", id, true}, {"saved", id, true}}},
			OpSetgroups:        {blob: groups},
			OpSetrlimit:        {args: [4]arg{{"", resource, true}, {"soft", limit, true}, {"hard", limit, true}}},
			OpSeccomp:          {args: [4]arg{{"flags", seccompFlags.text, false}}, blob: instructions},
			OpCapBound:         {args: [4]arg{{"keep", capabilities, true}}},
			OpCapset:           {args: [4]arg{{"effective", capabilities, true}, {"permitted", capabilities, true}, {"inheritable", capabilities, true}}},
			OpPersonality:      {args: [4]arg{{"", number, true}}},
			OpSetMempolicy:     {args: [4]arg{{"", number, true}}, s: "nodes"},
			OpIoprioSet:        {args: [4]arg{{"", ioprio, true}}},
			OpMkpoint:          {f: "in", g: "like", args: [4]arg{{"kind", pointKind, true}, {"mode", octal, false}}},
			OpWrite:            {f: "at", t: "value", args: [4]arg{{"symlinks", number, false}, {"flags", openFlags.text, false}, {"mode", octal, false}}, blob: quoted},
			OpVerifyFs:         {args: [4]arg{{"magic", magic, true}}},
			OpVerifyDev:        {args: [4]arg{{"", fileMode, true}, {"device", device, true}}},
			OpPty:              {f: "in", args: [4]arg{{"rows", decimal, false}, {"columns", decimal, false}, {"uid", id, true}, {"gid", id, true}}},
			OpSendFd:           {args: [4]arg{{"kind", decimal, true}}},
			OpCwd:              {args: [4]arg{{"make", number, false}}},
			OpFchownStdio:      {args: [4]arg{{"uid", id, true}}},
			OpMkpath:           {f: "in", args: [4]arg{{"mode", octal, true}, {"uid", id, true}, {"gid", id, true}}},
			OpSocket:           {args: [4]arg{{"family", number, true}, {"type", number, true}, {"protocol", number, false}}},
			OpIoctl:            {args: [4]arg{{"", ioctlRequest, true}}},
			OpKeyctl:           {args: [4]arg{{"", decimal, true}, {"keyring", signed, true}, {"value", number, true}}},
			OpSetxattr:         {f: "on", t: "value", blob: quoted},
			OpRemount:          {args: [4]arg{{"", nil, false}, {"set", MountAttributes, false}, {"clear", MountAttributes, false}}},
			OpExec:             {args: [4]arg{{"", nil, false}, {"files", decimal, false}, {"from", decimal, false}}},
		}
	})
	return learnedWords
}

// The vocabulary, made when the first step is told.
var (
	learned      sync.Once
	learnedWords map[Op]words
)

func decimal(v uint64) string { return fmt.Sprint(v) }
func signed(v uint64) string  { return fmt.Sprint(int64(v)) }
func octal(v uint64) string   { return fmt.Sprintf("%#o", v) }
func quoted(b []byte) string  { return fmt.Sprintf("%q", b) }

// id is a user or group ID; -1 leaves it as it is.
func id(v uint64) string {
	if uint32(v) == 1<<32-1 {
		return "unchanged"
	}
	return fmt.Sprint(v)
}

// instructions: a struct sock_filter has 8 bytes.
func instructions(b []byte) string { return fmt.Sprintf("%d instructions", len(b)/8) }

// groups is the list of setgroups(2).
func groups(b []byte) string {
	if len(b) == 0 {
		return "none"
	}
	var all []string
	for ; len(b) >= 4; b = b[4:] {
		all = append(all, fmt.Sprint(binary.NativeEndian.Uint32(b)))
	}
	return strings.Join(all, " ")
}

// scheduler is a struct sched_attr (sched_setattr(2)): u32 size, u32 policy, u64 flags, s32 nice, u32 priority, three u64.
func scheduler(b []byte) string {
	if len(b) < 48 {
		return fmt.Sprintf("%d bytes", len(b))
	}
	e := binary.NativeEndian
	policy := named(uint64(e.Uint32(b[4:])), "OTHER", "FIFO", "RR", "BATCH", "ISO", "IDLE", "DEADLINE")
	return fmt.Sprintf("%s flags=%#x nice=%d priority=%d runtime=%d deadline=%d period=%d", policy, e.Uint64(b[8:]), int32(e.Uint32(b[16:])),
		e.Uint32(b[20:]), e.Uint64(b[24:]), e.Uint64(b[32:]), e.Uint64(b[40:]))
}

// cpus is a mask of CPUs as a list of ranges: "0-3,8".
func cpus(mask []byte) string {
	set := func(i int) bool { return i < len(mask)*8 && mask[i/8]&(1<<(i%8)) != 0 }
	var all []string
	for i := 0; i < len(mask)*8; i++ {
		if !set(i) {
			continue
		}
		first := i
		for set(i + 1) {
			i++
		}
		if first == i {
			all = append(all, fmt.Sprint(i))
		} else {
			all = append(all, fmt.Sprintf("%d-%d", first, i))
		}
	}
	return strings.Join(all, ",")
}

// device is a device number as ls(1) shows it.
func device(v uint64) string { return fmt.Sprintf("%d:%d", unix.Major(v), unix.Minor(v)) }

func fileMode(v uint64) string {
	kinds := map[uint64]string{
		unix.S_IFCHR: "character device", unix.S_IFBLK: "block device", unix.S_IFIFO: "FIFO", unix.S_IFREG: "file", unix.S_IFDIR: "directory",
	}
	kind, ok := kinds[v&unix.S_IFMT]
	switch {
	case !ok:
		return fmt.Sprintf("mode=%#o", v)
	case v&^unix.S_IFMT == 0:
		return kind
	}
	return fmt.Sprintf("%s mode=%#o", kind, v&^unix.S_IFMT)
}

func limit(v uint64) string {
	if v == ^uint64(0) {
		return "unlimited"
	}
	return fmt.Sprint(v)
}

// magic is the type of a file system (linux/magic.h). None has 0: such a step is a jump.
func magic(v uint64) string {
	names := map[uint64]string{
		0: "none", unix.PROC_SUPER_MAGIC: "proc", unix.DEVPTS_SUPER_MAGIC: "devpts", unix.TMPFS_MAGIC: "tmpfs", unix.SYSFS_MAGIC: "sysfs",
		unix.CGROUP2_SUPER_MAGIC: "cgroup2", unix.CGROUP_SUPER_MAGIC: "cgroup",
	}
	if n, ok := names[v]; ok {
		return n
	}
	return number(v)
}

// ioprio is a class and a priority (ioprio_set(2)).
func ioprio(v uint64) string {
	names := []string{"none", "realtime", "best effort", "idle"}
	if class := v >> 13; class < uint64(len(names)) {
		return fmt.Sprintf("%s %d", names[class], v&(1<<13-1))
	}
	return number(v)
}

// pointKind is what MKPOINT makes; 2 is what the other register is.
func pointKind(v uint64) string { return named(v, "directory", "file", "") }

// fsconfigCommand is a command of fsconfig(2); a key with or without a value speaks for itself.
func fsconfigCommand(v uint64) string {
	return named(v, "", "", "set binary", "set path", "set empty path", "set fd", "create", "reconfigure", "create exclusively")
}

// named is the name of a small number.
func named(v uint64, names ...string) string {
	if v < uint64(len(names)) {
		return names[v]
	}
	return number(v)
}

func ioctlRequest(v uint64) string {
	if v == unix.SIOCSIFFLAGS {
		return "SIOCSIFFLAGS"
	}
	return number(v)
}

func prctlOption(v uint64) string {
	names := map[uint64]string{
		unix.PR_SET_PDEATHSIG: "PDEATHSIG", unix.PR_SET_DUMPABLE: "DUMPABLE", unix.PR_SET_KEEPCAPS: "KEEPCAPS", unix.PR_SET_NAME: "NAME",
		unix.PR_CAP_AMBIENT: "CAP_AMBIENT", unix.PR_SET_SECUREBITS: "SECUREBITS", unix.PR_SET_CHILD_SUBREAPER: "CHILD_SUBREAPER", unix.PR_SET_NO_NEW_PRIVS: "NO_NEW_PRIVS",
	}
	if n, ok := names[v]; ok {
		return n
	}
	return number(v)
}
