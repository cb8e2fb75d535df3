// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"cmp"
	"errors"
	"slices"
	"strings"

	"crisp/conmon/plan"
	"crisp/oci/hook"
	"crisp/oci/seccomp"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// CompileOptions is what Compile takes besides the spec.
type CompileOptions struct {
	ID         string
	Bundle     string          // the directory that relative paths of the host start at
	CgroupPath string          // the container's cgroup, below each hierarchy
	Rootfs     bool            // the root file system comes as a file
	ExecFile   bool            // what is executed comes as a file
	ExecPath   string          // what is executed instead of process.args[0]
	Home       string          // of the process's user, where its environment has none; "" is not told
	Links      map[int]string  // where the sources lead that are symlinks, by the index of their mounts with copy-symlink
	Modes      map[int]uint32  // of directories that a tmpfs covers and takes the mode of, by the index of its mount
	Mounts     map[string]bool // the destinations of the bind mounts whose sources come as files
	TTY        bool            // as process.terminal
	Start      bool            // a socket that the barrier listens on comes as a file
	AtOnce     bool            // no barrier
	Extra      int             // so many files from number 3 on come
	Halt       bool            // the process waits for us before it enters its root
	NoPivot    bool            // chroot instead of pivot_root
	HostProcs  []string        // with NoPivot: where the host has procfs and sysfs mounted, in the order of the mounts
	NoKeyring  bool            // no session keyring of its own
	AllCPUs    bool            // the process gets all CPUs of its cgroup, not only those of whoever makes it
	AtTerminal bool            // the process shows its terminal, and waits for us
	// FindProgram: that the program is missing is found out before the barrier.
	FindProgram bool
	Host        Host
	Program     *seccomp.Program // of linux.seccomp, when that is compiled already
}

// Compiled is a plan and the files that fill its registers.
type Compiled struct {
	Plan     *plan.Plan
	Files    []FileRequest // for the registers 0, 1, …
	Warnings []string      // what the spec asks for and cannot be had, where the runtime spec says not to fail
}

// halts says whether the process waits for us on its way.
func (c *Compiled) halts() bool { return c.has(FileHalt) }

func (c *Compiled) has(kind FileKind) bool {
	return slices.ContainsFunc(c.Files, func(f FileRequest) bool { return f.Kind == kind })
}

// String returns the readable form: files, then the plan.
func (c *Compiled) String() string {
	var b strings.Builder
	for _, w := range c.Warnings {
		b.WriteString("warning: " + w + "\n")
	}
	for i, f := range c.Files {
		b.WriteString("r" + itoa(i) + " " + f.String() + "\n")
	}
	b.WriteString(c.Plan.String())
	return b.String()
}

// Compile turns a config.json into a plan. It is pure: it opens and asks nothing.
//
// Each part of a plan stands where it does for a reason; "before" and "after" are what keeps the attacks of the last years from
// working, and a golden test pins the whole order.
//
//	part           must come
//	hide           first: from here a process of a joined PID namespace may not trace this one or take its files (CVE-2016-9962)
//	cgroups        before anything that costs memory or time, so that it is charged; before the cgroup namespace, whose root it
//	               becomes; before the user namespace's root, who may not write there
//	namespaces     before whatever they rule: hostname, sysctl, and the mounts of proc, sysfs, mqueue and cgroup2, which show the
//	               namespaces of who makes them
//	loopback       after namespaces; before the sysctls, which may take its addresses away again
//	findPlace      as the daemon's user: root of a user namespace may not have the right to go there
//	openByUser     without root: as the user, for the same reason; openRoot and openSources do it otherwise
//	becomeRoot     after the namespaces of the host were joined by their files; before any file is made, which belongs to the root of
//	               the user namespace
//	hostname       after namespaces
//	sysctls        after namespaces; before the first mount, by an own procfs that no mount of the container can cover: neither the
//	               image nor a volume decides where a value goes (CVE-2019-16884, CVE-2025-52881)
//	sources        with new file systems, in the order of the spec; before isolate: the copy of a shared mount must be a peer of the host's
//	               for mounts to propagate there, if that is asked for; otherwise it becomes a slave before anything is mounted below it;
//	               before attachRoot, from when on ".." of the host's root leads into the container's
//	isolate        after sources; before the first mount, which would show up on the host otherwise
//	attachRoot     after isolate; then cut off from where it came from, before the first mount in it
//	mountAll       in the order of the spec; each target is opened inside the root and used by its file descriptor (CVE-2021-30465,
//	               CVE-2024-45310)
//	devices        after mountAll, on the container's own /dev (CVE-2026-41579: never through a symlink of the image)
//	terminal       after devices and the mount of /dev/pts; /dev/console is bound from the descriptor that TIOCGPTPEER gave
//	               (CVE-2025-52565)
//	makeCwd        before the root is read-only; inside the root
//	halt           when all is there that hooks may look at, and the host's files are still in sight; before anything is protected from
//	               them: they make devices, libraries and links for the container to find (CDI's createContainer hooks)
//	readonlyPaths  after all that is mounted below them
//	maskPaths      after readonlyPaths, which may lie above them; from sources of the host that are checked by descriptor, never
//	               from the image's /dev/null (CVE-2025-31133)
//	sealRoot       after everything that makes mount points
//	pivot          after all that needs the host's tree, which is gone then
//	stdio          after pivot: stdin may be /dev/null, and must then be the container's, whose mode it may change, not the host's
//	limits         after everything was opened (RLIMIT_NOFILE); while the process still may
//	labels         by the own procfs, which is closed then: the workload is as near as can be
//	credentials    last but for the exec; the order within is its own comment
//	barrier        when nothing is left but the exec; the seccomp program of a process with no_new_privs comes behind it, so that it
//	               need allow nothing of the above, unless it notifies an agent
func Compile(spec *specs.Spec, o CompileOptions) (*Compiled, error) {
	a := newAssembly(spec, spec.Process, o)
	if err := a.check(); err != nil {
		return nil, err
	}
	if err := a.readMounts(); err != nil {
		return nil, err
	}
	program, err := a.seccomp()
	if err != nil {
		return nil, err
	}
	a.requestFiles()
	a.requestAgent(program)
	a.requestTerminal()
	a.hide()
	a.enterCgroups()
	a.resetAffinity()
	a.enterNamespaces()
	a.raiseLoopback()
	a.findPlace()
	a.openByUser()
	a.becomeRoot()
	a.setHostname()
	a.setSysctls()
	a.openRoot()
	a.openSources(true)
	a.isolate()
	a.attachRoot()
	a.mountAll()
	a.makeDevices()
	a.makeConsole()
	a.makeCwd()
	a.halt()
	a.protectPaths()
	a.maskPaths()
	a.sealRoot()
	a.pivot()
	a.letGo()
	a.stdio()
	a.setLimits()
	a.label()
	a.credentials(program)
	if !a.filteredEarly(program) {
		a.findProgram()
		if !a.filteredLate(program) {
			a.loadSeccomp(program)
		}
	}
	a.barrier()
	a.execute(program)
	return a.compiled(), nil
}

// check validates the spec, and what depends on the options too.
func (a *assembly) check() error {
	if err := Validate(a.spec); err != nil {
		return err
	}
	if !a.opts.Rootfs && (a.spec.Root == nil || a.spec.Root.Path == "") {
		return invalid("root.path", "missing")
	}
	if hook.BeforePivot(a.spec.Hooks) && (a.spec.Root == nil || a.spec.Root.Path == "") {
		return invalid("root.path", "missing: hooks look for the root file system there")
	}
	if err := a.checkShared(); err != nil {
		return err
	}
	if len(a.spec.Linux.TimeOffsets) > 0 && !a.opts.Host.TimeOffsets {
		return &FieldError{Field: "linux.timeOffsets", Reason: "not supported before Linux 6.2", Err: errors.ErrUnsupported}
	}
	if a.opts.AtOnce && len(hook.Of(a.spec.Hooks, hook.StartContainer).Hooks) > 0 {
		return invalid("hooks.startContainer", "the container is to run at once, and has no moment for them")
	}
	if err := a.checkUserNamespace(); err != nil {
		return err
	}
	return a.checkProcess()
}

// checkProcess validates what of the process depends on the host.
func (a *assembly) checkProcess() error {
	a.userns = a.has(specs.UserNamespace)
	a.caps = a.capabilities()
	if err := a.caps.check(); err != nil {
		return err
	}
	return a.checkLabels()
}

// requestFiles requests the files that come with the plan. Registers for what the steps open are taken only then.
func (a *assembly) requestFiles() {
	a.requestCgroups()
	a.requestNamespaces()
	if a.needsProc() {
		a.proc = a.file(FileRequest{Kind: FileProcfs, Note: "open the procfs"})
	}
	switch {
	case a.opts.Rootfs:
		a.root = a.file(FileRequest{Kind: FileRootfs, Note: "the root file system"})
	case a.opened():
		a.root = a.file(FileRequest{
			Kind: FileTree, Path: a.hostPath(a.spec.Root.Path), Recursive: true,
			Note: "open the root file system",
		})
	}
	if a.opts.ExecFile {
		a.exec = a.file(FileRequest{Kind: FileExec, Note: "what is executed"})
	}
	if a.opts.Start {
		a.start = a.file(FileRequest{Kind: FileStart, Note: "where the start is waited for"})
	}
	if a.opts.Halt {
		a.halted = a.file(FileRequest{Kind: FileHalt, Note: "where the process halts"})
	}
	a.requestShown()
	a.requestExtra()
	a.requestCopyUps()
	a.requestTrees()
}

// requestExtra requests the files from number 3 on, for registers in a row.
func (a *assembly) requestExtra() {
	for i := range a.opts.Extra {
		r := a.file(FileRequest{Kind: FileExtra, Index: i, Note: "file " + itoa(3+i)})
		if i == 0 {
			a.extra = r
		}
	}
}

func (a *assembly) compiled() *Compiled {
	return &Compiled{Plan: a.plan, Files: a.files, Warnings: a.warnings}
}

// hide makes the process one that nobody may trace without CAP_SYS_PTRACE in the host's user namespace. The exec undoes it.
func (a *assembly) hide() {
	a.about("become undumpable")
	if a.exposed() {
		a.about("become the user's to look at")
	}
	a.step(plan.OpPrctl, unix.PR_SET_DUMPABLE, dumpable(a.exposed()))
	a.about("set the umask")
	a.step(plan.OpUmask, 0) // modes below are meant as they stand
}

// letGo closes what a container that waits for its start would hold open until its exec: whoever is in it may look. Before a seccomp program that
// may not allow it.
func (a *assembly) letGo() {
	if a.opts.AtOnce {
		return
	}
	a.about("let go of what is not needed any more")
	for _, r := range []*plan.Reg{&a.dev, &a.devpts} {
		if *r != plan.NoReg {
			a.close(*r)
			*r = plan.NoReg
		}
	}
	if a.plan.CgroupFD != plan.NoReg {
		a.close(a.plan.CgroupFD)
	}
}

// barrier is where a created container waits for its start.
func (a *assembly) barrier() {
	if a.opts.AtOnce {
		return
	}
	a.about("wait for the start")
	if a.opts.Host.Rootless { // nothing but the workload is left in sight
		a.step(plan.OpPrctl, unix.PR_SET_DUMPABLE, 1)
	}
	a.step(plan.OpBarrier).FD = a.start
}

// execute replaces the process by the workload.
func (a *assembly) execute(program *seccomp.Program) {
	if a.filteredLate(program) {
		a.loadSeccomp(program)
	}
	a.about("exec %s", cmp.Or(a.opts.ExecPath, a.process.Args[0]))
	s := a.step(plan.OpExec)
	s.Argv, s.Env = a.process.Args, a.process.Env
	if s.FD = a.exec; a.exec == plan.NoReg {
		s.Str[0] = cmp.Or(a.opts.ExecPath, a.process.Args[0])
	}
	if a.opts.Extra > 0 {
		s.Arg[1], s.Arg[2] = uint64(a.opts.Extra), uint64(a.extra)
	}
}

func (a *assembly) tty() bool { return a.opts.TTY || a.process.Terminal }
