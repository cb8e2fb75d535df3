// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"maps"
	"math"
	"path"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

func (v *validator) process(field string, p *specs.Process) {
	if len(p.Args) == 0 {
		v.invalid(field+".args", "missing")
	} else if p.Args[0] == "" {
		v.invalid(field+".args[0]", "is empty")
	}
	v.texts(field+".args", p.Args)
	v.environment(field+".env", p.Env)
	v.text(field+".cwd", p.Cwd)
	v.text(field+".apparmorProfile", p.ApparmorProfile)
	v.text(field+".selinuxLabel", p.SelinuxLabel)
	switch {
	case p.Cwd == "":
		v.invalid(field+".cwd", "missing")
	case !path.IsAbs(p.Cwd):
		v.invalid(field+".cwd", "%q: not absolute", p.Cwd)
	}
	if s := p.ConsoleSize; s != nil {
		v.advise(!p.Terminal, field+".consoleSize", "ignored: process.terminal is false")
		if s.Height > math.MaxUint16 || s.Width > math.MaxUint16 {
			v.invalid(field+".consoleSize", "%dx%d: over 65535", s.Width, s.Height)
		}
	}
	v.user(field+".user", &p.User)
	v.rlimits(field+".rlimits", p.Rlimits)
	if adj := p.OOMScoreAdj; adj != nil && (*adj < -1000 || *adj > 1000) {
		v.invalid(field+".oomScoreAdj", "%d: not in -1000 to 1000", *adj)
	}
	v.priorities(field, p)
	if p.Capabilities != nil {
		v.capabilities(field+".capabilities", p.Capabilities)
	}
}

// environment wants "NAME=value" (environ(7)). A kernel takes anything; programs do not.
func (v *validator) environment(field string, env []string) {
	v.texts(field, env)
	if !v.thorough {
		return
	}
	seen := map[string]int{}
	for i, e := range env {
		name, _, ok := strings.Cut(e, "=")
		v.advise(!ok, at(field, i), "%q: not of the form NAME=value", e)
		v.advise(ok && name == "", at(field, i), "%q: the name is empty", e)
		before, twice := seen[name]
		v.advise(ok && twice, at(field, i), "%s is given before, as [%d]", name, before)
		seen[name] = i
	}
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
			v.invalid(at(field+".additionalGids", i), "%d: not a group ID", g)
		}
	}
	if u.Umask != nil && *u.Umask > 0o777 {
		v.invalid(field+".umask", "%#o: over 0777", *u.Umask)
	}
}

func (v *validator) rlimits(field string, all []specs.POSIXRlimit) {
	seen := map[string]bool{}
	for i, l := range all {
		entry := at(field, i)
		if _, ok := rlimits.find(l.Type); !ok {
			v.invalid(entry+".type", "%q: unknown", l.Type)
		}
		if seen[l.Type] {
			v.invalid(entry+".type", "%q: given twice", l.Type)
		}
		seen[l.Type] = true
		if l.Soft > l.Hard {
			v.invalid(entry+".soft", "%d: over the hard limit of %d", l.Soft, l.Hard)
		}
	}
}

func (v *validator) priorities(field string, p *specs.Process) {
	if s := p.Scheduler; s != nil {
		v.scheduler(field+".scheduler", s)
	}
	if io := p.IOPriority; io != nil {
		if _, ok := ioprioClasses.find(io.Class); !ok {
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
	if _, ok := schedPolicies.find(s.Policy); !ok {
		v.invalid(field+".policy", "%q: unknown", s.Policy)
	}
	for i, f := range s.Flags {
		if _, ok := schedFlags.find(f); !ok {
			v.invalid(at(field+".flags", i), "%q: unknown", f)
		}
	}
	if s.Nice < -20 || s.Nice > 19 {
		v.invalid(field+".nice", "%d: not in -20 to 19", s.Nice)
	}
	v.schedulerPriority(field, s)
	v.schedulerDeadline(field, s)
}

// schedulerPriority: sched(7) has the range.
func (v *validator) schedulerPriority(field string, s *specs.Scheduler) {
	realtime := s.Policy == specs.SchedFIFO || s.Policy == specs.SchedRR
	switch {
	case !realtime && s.Priority != 0:
		v.invalid(field+".priority", "%d: only SCHED_FIFO and SCHED_RR have one", s.Priority)
	case realtime && (s.Priority < 1 || s.Priority > 99):
		v.invalid(field+".priority", "%d: not in 1 to 99", s.Priority)
	}
	niceless := realtime || s.Policy == specs.SchedDeadline || s.Policy == specs.SchedIdle
	v.advise(niceless && s.Nice != 0, field+".nice", "%d: %s does not use it", s.Nice, s.Policy)
}

// schedulerDeadline: 1024 <= runtime <= deadline <= period (sched_setattr(2)); a period of 0 is the deadline.
func (v *validator) schedulerDeadline(field string, s *specs.Scheduler) {
	switch {
	case s.Policy != specs.SchedDeadline && (s.Runtime != 0 || s.Deadline != 0 || s.Period != 0):
		v.invalid(field+".runtime", "only SCHED_DEADLINE has runtime, deadline and period")
	case s.Policy != specs.SchedDeadline:
	case s.Runtime < 1024:
		v.invalid(field+".runtime", "%d: less than 1024 nanoseconds", s.Runtime)
	case s.Runtime > s.Deadline:
		v.invalid(field+".deadline", "%d: less than the runtime of %d", s.Deadline, s.Runtime)
	case s.Period != 0 && s.Deadline > s.Period:
		v.invalid(field+".period", "%d: less than the deadline of %d", s.Period, s.Deadline)
	}
}

// capabilities names those that are unknown, which are left out, and what capset(2) would refuse.
func (v *validator) capabilities(field string, c *specs.LinuxCapabilities) {
	if !v.thorough { // Compile finds the same in less time
		return
	}
	known := capabilityBits()
	for _, set := range []struct {
		name  string
		names []string
	}{
		{"bounding", c.Bounding}, {"effective", c.Effective}, {"inheritable", c.Inheritable}, {"permitted", c.Permitted},
		{"ambient", c.Ambient},
	} {
		seen := map[string]bool{}
		for i, name := range set.names {
			entry := at(field+"."+set.name, i)
			v.advise(known[name] == 0, entry, "%q: unknown, ignored%s", name, didYouMean(name, maps.Keys(known)))
			v.advise(seen[name], entry, "%q: given twice", name)
			seen[name] = true
		}
	}
	for _, name := range c.Effective {
		if known[name] != 0 && !slices.Contains(c.Permitted, name) {
			v.invalid(field+".effective", "%s: not permitted", name)
		}
	}
	for i, name := range c.Ambient {
		raised := slices.Contains(c.Permitted, name) && slices.Contains(c.Inheritable, name)
		v.advise(known[name] != 0 && !raised, at(field+".ambient", i), "%s: ignored, because it is not permitted and inheritable", name)
	}
}
