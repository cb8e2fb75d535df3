// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"fmt"
	"strconv"
	"strings"

	"crisp/conmon/plan"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// An assembly is a plan in the making. Its methods append steps; the note and the tolerances apply as documented there.
//
// First all files are requested, then registers are taken for what the steps open. A register that a step has closed is
// used again, so that only what must be open at the same time counts against the limit of plan.NumRegs.
type assembly struct {
	spec     *specs.Spec
	process  *specs.Process
	opts     CompileOptions
	plan     *plan.Plan
	files    []FileRequest
	free     []plan.Reg
	warnings []string
	note     string // goes into every step from here on
	userns   bool   // the process is in a user namespace that is not the daemon's
	mounts   []mount
	caps     capabilitySets

	cgroups    []plan.Reg // cgroup files that the process writes itself into
	resctrl    []plan.Reg // the same of resctrl
	container  plan.Reg   // the pidfd of the container that is joined
	shown      plan.Reg   // where the process hands its root over, when others see that too
	place      plan.Reg   // root.path, where the root file system is attached; NoReg: on top of the host's root
	namespaces []joined
	root       plan.Reg // the root file system's mount
	proc       plan.Reg // the daemon's own procfs
	exec       plan.Reg // what is executed, NoReg: by its name
	start      plan.Reg // where the barrier listens, NoReg: the executor says so
	halted     plan.Reg // the process's end of the halt
	agent      plan.Reg // where the process hands its seccomp listener over
	terminal   plan.Reg // where it shows its terminal
	extra      plan.Reg // the first of the files from number 3 on
	dev        plan.Reg // the mount on /dev when the container has its own there
	devpts     plan.Reg // the mount on /dev/pts
	unsealed   []sealed // mounts that become read-only in the end
}

// sealed is a mount that becomes read-only when everything was made in it.
type sealed struct {
	destination string
	reg         plan.Reg
}

// joined is a namespace that is joined by setns.
type joined struct {
	name string
	flag uint64
	reg  plan.Reg
}

func newAssembly(spec *specs.Spec, process *specs.Process, o CompileOptions) *assembly {
	p := *process
	p.Env = environment(p.Env, o.Home)
	process = &p
	a := &assembly{
		container: plan.NoReg, shown: plan.NoReg, place: plan.NoReg,
		spec: spec, process: process, opts: o, plan: plan.New(),
		root: plan.NoReg, proc: plan.NoReg, exec: plan.NoReg,
		start: plan.NoReg, halted: plan.NoReg, agent: plan.NoReg, terminal: plan.NoReg, extra: plan.NoReg, dev: plan.NoReg, devpts: plan.NoReg,
	}
	// Roughly what a plan of Compile comes to: copying a step of 300 bytes again and again is most of its cost.
	steps := 192 + 12*len(spec.Mounts) // what is not used costs nothing
	if l := spec.Linux; l != nil {
		steps += 9*len(l.MaskedPaths) + 6*len(l.ReadonlyPaths)
	}
	a.plan.Steps = make([]plan.Step, 0, steps)
	return a
}

// file requests a file and returns its register.
func (a *assembly) file(r FileRequest) plan.Reg {
	a.files = append(a.files, r)
	return a.plan.File()
}

// reg returns a register that is empty.
func (a *assembly) reg() plan.Reg {
	if n := len(a.free); n > 0 {
		r := a.free[n-1]
		a.free = a.free[:n-1]
		return r
	}
	return a.plan.Reg()
}

func (a *assembly) warn(format string, args ...any) {
	a.warnings = append(a.warnings, fmt.Sprintf(format, args...))
}

// about sets the words for the steps that follow.
func (a *assembly) about(format string, args ...any) { a.note = words(format, args) }

// words is fmt.Sprintf for what notes have, %s and %d: a plan has a hundred of them, which nobody reads as a rule.
func words(format string, args []any) string {
	b := make([]byte, 0, 64)
	rest := format
	for i := 0; ; i++ {
		before, after, ok := strings.Cut(rest, "%")
		b = append(b, before...)
		if !ok {
			return string(b)
		}
		if after == "" || i >= len(args) {
			return fmt.Sprintf(format, args...)
		}
		switch v := args[i].(type) {
		case string:
			b = append(b, v...)
		case int:
			b = strconv.AppendInt(b, int64(v), 10)
		case uint32:
			b = strconv.AppendUint(b, uint64(v), 10)
		default:
			return fmt.Sprintf(format, args...)
		}
		if after[0] != 's' && after[0] != 'd' {
			return fmt.Sprintf(format, args...)
		}
		rest = after[1:]
	}
}

// step appends a step without registers.
//
//go:noinline // it would be in every function of this package, several times
func (a *assembly) step(op plan.Op, args ...uint64) *plan.Step {
	s := plan.Make(op, a.note)
	copy(s.Arg[:], args)
	a.plan.Add(s)
	return &a.plan.Steps[len(a.plan.Steps)-1]
}

// tolerate makes errnos of the last step no failures; it returns the step's index for skipTo.
func (a *assembly) tolerate(errnos ...unix.Errno) int {
	i := len(a.plan.Steps) - 1
	a.plan.Steps[i].OK = errnos
	return i
}

// skipHere makes the tolerated failure of a step go on with the next step that is appended.
func (a *assembly) skipHere(index int) {
	a.plan.Steps[index].Skip = len(a.plan.Steps) - index - 1
}

// jump appends a step that always goes on at the skipHere of its index: a check of r, which is open, that cannot hold (no
// file system has the magic number 0).
func (a *assembly) jump(r plan.Reg) int {
	a.step(plan.OpVerifyFs).FD = r
	return a.tolerate(unix.EXDEV)
}

// close closes a register and frees it.
func (a *assembly) close(r plan.Reg) {
	a.step(plan.OpClose).FD = r
	a.free = append(a.free, r)
}

// Flags of open_tree, move_mount and fsconfig that x/sys/unix gives as int.
const (
	treeClone    = uint64(unix.OPEN_TREE_CLONE)
	emptyPath    = uint64(unix.AT_EMPTY_PATH)
	recursive    = uint64(unix.AT_RECURSIVE)
	opath        = uint64(unix.O_PATH)
	directory    = uint64(unix.O_DIRECTORY)
	nofollow     = uint64(unix.O_NOFOLLOW)
	inRoot       = uint64(unix.RESOLVE_IN_ROOT)
	noMagicLinks = uint64(unix.RESOLVE_NO_MAGICLINKS)
	noSymlinks   = uint64(unix.RESOLVE_NO_SYMLINKS)
	beneath      = uint64(unix.RESOLVE_BENEATH)
)

// openat opens a path below a directory; with dir NoReg, one of the host.
func (a *assembly) openat(dir plan.Reg, path string, flags, resolve uint64) plan.Reg {
	out := a.reg()
	s := a.step(plan.OpOpenat2, flags, 0, resolve)
	s.FD, s.Str[0], s.Out = dir, path, out
	return out
}

// clone makes a detached copy of the mount that r stands on.
func (a *assembly) clone(r plan.Reg, flags uint64) plan.Reg {
	out := a.reg()
	s := a.step(plan.OpOpenTree, treeClone|emptyPath|flags)
	s.FD, s.Out = r, out
	return out
}

// clonePath makes a detached copy of the mount at a path of the host.
func (a *assembly) clonePath(path string, flags uint64) plan.Reg {
	out := a.reg()
	s := a.step(plan.OpOpenTree, treeClone|flags)
	s.Str[0], s.Out = path, out
	return out
}

// setattr changes the attributes of a mount.
func (a *assembly) setattr(r plan.Reg, c Attributes) {
	if a.opts.Host.NoSetattr {
		a.remountAs(r, c)
		return
	}
	a.step(plan.OpMountSetattr, c.flags(), c.Set, c.Clear, c.Propagation).FD = r
}

// setattrs makes several changes, one after the other.
func (a *assembly) setattrs(r plan.Reg, all []Attributes) {
	for _, c := range all {
		a.setattr(r, c)
	}
}

// attach moves a detached mount onto the place that target stands on.
func (a *assembly) attach(mount, target plan.Reg) {
	s := a.step(plan.OpMoveMount)
	s.FD, s.FD2 = mount, target
}

// point makes and opens a mount point in a root directory, of the kind of like when that is given, else a file or directory.
func (a *assembly) point(root plan.Reg, path string, kind uint64, like plan.Reg) plan.Reg {
	out := a.reg()
	mode := uint64(0o755)
	if kind == pointFile {
		mode = 0o644
	}
	s := a.step(plan.OpMkpoint, kind, mode)
	s.FD, s.FD2, s.Str[0], s.Out = root, like, path, out
	return out
}

// Argument a of MKPOINT.
const (
	pointDirectory = 0
	pointFile      = 1
	pointLike      = 2
)

// path makes a directory below a root directory with those above it and opens it.
func (a *assembly) path(root plan.Reg, path string) plan.Reg {
	out := a.reg()
	s := a.step(plan.OpMkpath, 0o755)
	s.FD, s.Str[0], s.Out = root, path, out
	return out
}

// write writes a value into a file below a directory. Only with symlinks may the path have any.
func (a *assembly) write(dir plan.Reg, path, value string, symlinks bool) {
	s := a.step(plan.OpWrite)
	s.FD, s.Str[0], s.Blob = dir, path, []byte(value)
	if symlinks {
		s.Arg[0] = 1
	}
}

// itoa prints an integer.
func itoa[T int | int64 | uint32](v T) string { return fmt.Sprint(v) }
