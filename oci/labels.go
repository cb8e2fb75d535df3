// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"strings"

	"crisp/conmon/plan"
)

// needsProc says whether something is written to /proc.
func (a *assembly) needsProc() bool {
	return len(a.spec.Linux.Sysctl) > 0 || len(a.spec.Linux.TimeOffsets) > 0 || a.labelled()
}

func (a *assembly) labelled() bool {
	return a.process.ApparmorProfile != "" || a.process.SelinuxLabel != ""
}

// checkLabels refuses labels that the host would not enforce: a container that should be confined must not run unconfined.
func (a *assembly) checkLabels() error {
	switch {
	case a.process.ApparmorProfile != "" && !a.opts.Host.AppArmor:
		return &FieldError{Field: "process.apparmorProfile", Reason: "AppArmor: " + ErrLSM.Error(), Err: ErrLSM}
	case a.process.SelinuxLabel != "" && !a.opts.Host.SELinux:
		return &FieldError{Field: "process.selinuxLabel", Reason: "SELinux: " + ErrLSM.Error(), Err: ErrLSM}
	}
	return nil
}

// label says what the security modules apply at the exec, and closes the procfs. Before no_new_privs, under which AppArmor
// allows narrower profiles only. The procfs is the daemon's own and attached nowhere: a mount of the container over /proc, or over a file in
// it, does not take the label instead of the kernel (CVE-2019-16884, CVE-2025-52881). That the kernel has it is read back all the same.
func (a *assembly) label() {
	if p := a.process.ApparmorProfile; p != "" {
		a.about("set the AppArmor profile %s", p)
		file := "thread-self/attr/exec"
		if a.opts.Host.AppArmorDir {
			file = "thread-self/attr/apparmor/exec"
		}
		a.write(a.proc, file, "exec "+p, true)
		a.readBack(file, p)
	}
	if l := a.process.SelinuxLabel; l != "" {
		a.about("set the SELinux label %s", l)
		a.write(a.proc, "thread-self/attr/exec", l, true)
		a.readBack("thread-self/attr/exec", l)
	}
	if a.proc != plan.NoReg {
		a.about("close the procfs")
		a.close(a.proc)
	}
}

// readBack fails with ESTALE unless the label is what the next exec will get. What AppArmor makes of several profiles, or of one in a policy
// namespace, it tells in other words; there that the write went well has to do.
func (a *assembly) readBack(file, label string) {
	if strings.ContainsAny(label, ":&") && strings.Contains(file, "apparmor") {
		return
	}
	s := a.step(plan.OpVerifyText)
	s.FD, s.Str[0], s.Blob = a.proc, file, []byte(label)
	s.Arg[0] = 1
}
