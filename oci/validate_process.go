// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"fmt"
	"math"
	"path"

	"github.com/opencontainers/runtime-spec/specs-go"
)

func (v *validator) process(field string, p *specs.Process) {
	if len(p.Args) == 0 {
		v.invalid(field+".args", "missing")
	} else if p.Args[0] == "" {
		v.invalid(field+".args[0]", "is empty")
	}
	v.text(field+".args", p.Args...)
	v.text(field+".env", p.Env...)
	v.text(field+".cwd", p.Cwd)
	v.text(field+".apparmorProfile", p.ApparmorProfile)
	v.text(field+".selinuxLabel", p.SelinuxLabel)
	if !path.IsAbs(p.Cwd) {
		v.invalid(field+".cwd", "%q: not absolute", p.Cwd)
	}
	if s := p.ConsoleSize; s != nil && (s.Height > math.MaxUint16 || s.Width > math.MaxUint16) {
		v.invalid(field+".consoleSize", "%dx%d: over 65535", s.Width, s.Height)
	}
	v.user(field+".user", &p.User)
	v.rlimits(field+".rlimits", p.Rlimits)
	if adj := p.OOMScoreAdj; adj != nil && (*adj < -1000 || *adj > 1000) {
		v.invalid(field+".oomScoreAdj", "%d: not in -1000 to 1000", *adj)
	}
	v.priorities(field, p)
}

// user refuses the ID -1: setresuid(2) takes it as "leave it", so that the process would stay root (cf. CVE-2024-40635).
func (v *validator) user(field string, u *specs.User) {
	if u.UID == unchanged {
		v.invalid(field+".uid", "%d: not a user ID", u.UID)
	}
	if u.GID == unchanged {
		v.invalid(field+".gid", "%d: not a group ID", u.GID)
	}
	for i, g := range u.AdditionalGids {
		if g == unchanged {
			v.invalid(fmt.Sprintf("%s.additionalGids[%d]", field, i), "%d: not a group ID", g)
		}
	}
	if u.Umask != nil && *u.Umask > 0o777 {
		v.invalid(field+".umask", "%#o: over 0777", *u.Umask)
	}
}

func (v *validator) rlimits(field string, all []specs.POSIXRlimit) {
	seen := map[string]bool{}
	for i, l := range all {
		at := fmt.Sprintf("%s[%d]", field, i)
		if _, ok := rlimits[l.Type]; !ok {
			v.invalid(at+".type", "%q: unknown", l.Type)
		}
		if seen[l.Type] {
			v.invalid(at+".type", "%q: given twice", l.Type)
		}
		seen[l.Type] = true
		if l.Soft > l.Hard {
			v.invalid(at+".soft", "%d: over the hard limit of %d", l.Soft, l.Hard)
		}
	}
}

func (v *validator) priorities(field string, p *specs.Process) {
	if s := p.Scheduler; s != nil {
		v.scheduler(field+".scheduler", s)
	}
	if io := p.IOPriority; io != nil {
		if _, ok := ioprioClasses[io.Class]; !ok {
			v.invalid(field+".ioPriority.class", "%q: unknown", io.Class)
		}
		if io.Priority < 0 || io.Priority > 7 {
			v.invalid(field+".ioPriority.priority", "%d: not in 0 to 7", io.Priority)
		}
	}
	if c := p.ExecCPUAffinity; c != nil {
		v.cpus(field+".execCPUAffinity.initial", c.Initial)
		v.cpus(field+".execCPUAffinity.final", c.Final)
	}
}

func (v *validator) cpus(field, list string) {
	if list == "" {
		return
	}
	if _, err := cpuMask(list); err != nil {
		v.invalid(field, "%v", err)
	}
}

func (v *validator) scheduler(field string, s *specs.Scheduler) {
	if _, ok := schedPolicies[s.Policy]; !ok {
		v.invalid(field+".policy", "%q: unknown", s.Policy)
	}
	for i, f := range s.Flags {
		if _, ok := schedFlags[f]; !ok {
			v.invalid(fmt.Sprintf("%s.flags[%d]", field, i), "%q: unknown", f)
		}
	}
	if s.Nice < -20 || s.Nice > 19 {
		v.invalid(field+".nice", "%d: not in -20 to 19", s.Nice)
	}
	realtime := s.Policy == specs.SchedFIFO || s.Policy == specs.SchedRR
	if s.Priority != 0 && !realtime {
		v.invalid(field+".priority", "%d: only SCHED_FIFO and SCHED_RR have one", s.Priority)
	}
	if s.Policy != specs.SchedDeadline && (s.Runtime != 0 || s.Deadline != 0 || s.Period != 0) {
		v.invalid(field+".runtime", "only SCHED_DEADLINE has runtime, deadline and period")
	}
}
