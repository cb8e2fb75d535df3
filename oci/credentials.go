// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"encoding/binary"
	"errors"

	"crisp/conmon/plan"
	"crisp/oci/seccomp"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// seccomp is the program of the process, nil without one.
func (a *assembly) seccomp() (*seccomp.Program, error) {
	if a.opts.Program != nil {
		return a.opts.Program, nil
	}
	return compileSeccomp(a.spec, seccomp.Compile)
}

// compileSeccomp compiles linux.seccomp; nil without one.
func compileSeccomp(spec *specs.Spec, compile func(*specs.LinuxSeccomp) (seccomp.Program, error)) (*seccomp.Program, error) {
	if spec.Linux == nil || spec.Linux.Seccomp == nil {
		return nil, nil
	}
	return SeccompProgram(compile(spec.Linux.Seccomp))
}

// SeccompProgram gives what compiled linux.seccomp the form that CreateRequest wants.
func SeccompProgram(p seccomp.Program, err error) (*seccomp.Program, error) {
	switch {
	case errors.Is(err, seccomp.ErrArchitecture):
		return nil, &FieldError{Field: "linux.seccomp", Reason: err.Error(), Err: errors.ErrUnsupported}
	case err != nil:
		return nil, &FieldError{Field: "linux.seccomp", Reason: err.Error(), Err: ErrInvalid}
	}
	return &p, nil
}

// credentials gives up root, in the one order in which each step is still allowed:
//
//	no_new_privs     before seccomp, which needs either it or CAP_SYS_ADMIN
//	cwd              as root, who may enter what the user may not (runc does the same); again as the user where root may not (NFS)
//	program          found as root then, for the seccomp program may not allow the search (otherwise later, as the user)
//	seccomp          here while CAP_SYS_ADMIN lasts, unless no_new_privs makes it possible right before the exec
//	bounding set     needs CAP_SETPCAP
//	groups, gid      need CAP_SETGID, which goes with the uid
//	uid              with KEEPCAPS, so that what is permitted survives
//	capabilities     all five sets, always: nothing of root's stays in one (CVE-2022-24769, CVE-2022-29162)
//	umask            of the workload's
func (a *assembly) credentials(program *seccomp.Program) {
	u := &a.process.User
	if a.process.NoNewPrivileges {
		a.about("set no_new_privs")
		a.step(plan.OpPrctl, unix.PR_SET_NO_NEW_PRIVS, 1)
	}
	entered := a.enterCwd()
	if a.filteredEarly(program) {
		a.findProgram()
		a.loadSeccomp(program)
	}
	a.about("drop capabilities of the bounding set")
	a.step(plan.OpCapBound, a.caps.bounding)
	a.about("become user %d:%d", u.UID, u.GID)
	a.step(plan.OpPrctl, unix.PR_SET_KEEPCAPS, 1)
	a.setGroups()
	gid, uid := uint64(u.GID), uint64(u.UID)
	a.step(plan.OpSetresgid, gid, gid, gid)
	a.step(plan.OpSetresuid, uid, uid, uid)
	a.step(plan.OpPrctl, unix.PR_SET_KEEPCAPS, 0)
	a.about("set capabilities")
	a.step(plan.OpCapset, a.caps.effective, a.caps.permitted, a.caps.inheritable)
	a.step(plan.OpPrctl, unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL)
	for c := range uint64(64) {
		if a.caps.ambient>>c&1 != 0 {
			a.step(plan.OpPrctl, unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_RAISE, c)
		}
	}
	a.about("set the umask")
	a.step(plan.OpUmask, a.umask())
	a.enterCwdAgain(entered)
}

// filteredEarly says whether the seccomp program holds for the last steps already. Then these use only what every profile of the
// field allows: profiles older than openat2 answer it with ENOSYS, for one.
func (a *assembly) filteredEarly(program *seccomp.Program) bool {
	return program != nil && !a.process.NoNewPrivileges
}

func (a *assembly) setGroups() {
	s := a.step(plan.OpSetgroups)
	for _, g := range a.process.User.AdditionalGids {
		s.Blob = binary.NativeEndian.AppendUint32(s.Blob, g)
	}
	a.tolerateGroups()
}

// umask is process.user.umask; without it 0022 as of a login (runc's default too).
func (a *assembly) umask() uint64 {
	if m := a.process.User.Umask; m != nil {
		return uint64(*m)
	}
	return 0o022
}

// enterCwd enters the working directory as root. The register that it returns is open if that went well.
func (a *assembly) enterCwd() plan.Reg {
	a.about("enter the working directory %s", a.process.Cwd)
	a.step(plan.OpCwd).Str[0] = a.process.Cwd
	denied := a.tolerate(unix.EACCES, unix.EPERM)
	entered := a.openat(plan.NoReg, ".", opath|directory, 0)
	a.skipHere(denied)
	return entered
}

// enterCwdAgain enters the working directory as the user, if root was not allowed to:
//
//	close entered     not open ─▶ again
//	close entered     never open ─▶ end
//	again: chdir
//	end:
func (a *assembly) enterCwdAgain(entered plan.Reg) {
	a.about("enter the working directory %s", a.process.Cwd)
	a.step(plan.OpClose).FD = entered
	again := a.tolerate(unix.EBADF)
	a.step(plan.OpClose).FD = entered
	end := a.tolerate(unix.EBADF)
	a.skipHere(again)
	a.step(plan.OpCwd).Str[0] = a.process.Cwd
	a.skipHere(end)
}
