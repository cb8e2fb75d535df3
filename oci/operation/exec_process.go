// SPDX-License-Identifier: Apache-2.0

package operation

import (
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"strconv"
	"strings"

	"crisp/oci/config"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// ProcessRequest says what an exec runs: a file, or the bundle's process with changes.
type ProcessRequest struct {
	File string // a process.json; nothing below counts with one

	Args           []string
	Cwd            string   // "" as the container's
	Env            []string // added to the container's
	TTY            bool     // the container's does not count
	User           string   // UID or UID:GID in decimal digits; "" as the container's
	AdditionalGids []string // added, in decimal digits
	Capabilities   []string // added to the bounding, effective and permitted sets
	AppArmor       string   // "" as the container's
	Label          string   // of SELinux; "" as the container's
	NoNewPrivs     *bool    // nil: as the container's
}

// process makes the process. kept is the container's first, without its arguments.
func (q *ProcessRequest) process(bundle string, kept *specs.Process) (*specs.Process, error) {
	if q.File != "" {
		text, err := readText(q.File, maxConfig)
		if err != nil {
			return nil, err
		}
		p, err := config.ParseProcess(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", q.File, err)
		}
		inherit(p, kept)
		return p, checkProcess(p)
	}
	path := filepath.Join(bundle, ConfigName)
	text, err := readText(path, maxConfig)
	if err != nil {
		return nil, err
	}
	c, err := config.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if c.Spec == nil || c.Spec.Process == nil {
		return nil, ErrNoProcess
	}
	p := c.Spec.Process
	if len(q.Args) == 0 {
		return nil, errors.New("exec args cannot be empty")
	}
	return p, q.change(p)
}

// inherit gives a process of a file what it does not say itself.
func inherit(p, kept *specs.Process) {
	if p == nil || kept == nil {
		return
	}
	if p.Capabilities == nil {
		p.Capabilities = kept.Capabilities
	}
	if len(p.Rlimits) == 0 {
		p.Rlimits = kept.Rlimits
	}
	if p.ApparmorProfile == "" {
		p.ApparmorProfile = kept.ApparmorProfile
	}
	if p.SelinuxLabel == "" {
		p.SelinuxLabel = kept.SelinuxLabel
	}
	inheritPriorities(p, kept)
	if p.User.Umask == nil {
		p.User.Umask = kept.User.Umask
	}
}

func inheritPriorities(p, kept *specs.Process) {
	if p.OOMScoreAdj == nil {
		p.OOMScoreAdj = kept.OOMScoreAdj
	}
	if p.Scheduler == nil {
		p.Scheduler = kept.Scheduler
	}
	if p.IOPriority == nil {
		p.IOPriority = kept.IOPriority
	}
	if p.ExecCPUAffinity == nil {
		p.ExecCPUAffinity = kept.ExecCPUAffinity
	}
}

// change applies the request to the container's process.
func (q *ProcessRequest) change(p *specs.Process) error {
	p.Args, p.Terminal = q.Args, q.TTY
	for _, o := range []struct {
		to *string
		v  string
	}{{&p.Cwd, q.Cwd}, {&p.ApparmorProfile, q.AppArmor}, {&p.SelinuxLabel, q.Label}} {
		if o.v != "" {
			*o.to = o.v
		}
	}
	if q.NoNewPrivs != nil {
		p.NoNewPrivileges = *q.NoNewPrivs
	}
	p.Env = append(p.Env, q.Env...)
	q.addCapabilities(p)
	if err := q.changeUser(&p.User); err != nil {
		return err
	}
	return checkProcess(p)
}

// addCapabilities adds to the ambient set only where something is inheritable at all, which that set needs.
func (q *ProcessRequest) addCapabilities(p *specs.Process) {
	if len(q.Capabilities) == 0 {
		return
	}
	if p.Capabilities == nil {
		p.Capabilities = &specs.LinuxCapabilities{}
	}
	c := p.Capabilities
	c.Bounding = append(c.Bounding, q.Capabilities...)
	c.Effective = append(c.Effective, q.Capabilities...)
	c.Permitted = append(c.Permitted, q.Capabilities...)
	if c.Inheritable != nil {
		c.Ambient = append(c.Ambient, q.Capabilities...)
	}
}

func (q *ProcessRequest) changeUser(u *specs.User) error {
	if q.User != "" {
		uid, gid, ok := strings.Cut(q.User, ":")
		var err error
		if ok {
			if u.GID, err = parseID(gid); err != nil {
				return fmt.Errorf("bad gid: %w", err)
			}
		}
		if u.UID, err = parseID(uid); err != nil {
			return fmt.Errorf("bad uid: %w", err)
		}
	}
	for _, s := range q.AdditionalGids {
		gid, err := parseID(s)
		if err != nil {
			return fmt.Errorf("additional-gids: %w", err)
		}
		u.AdditionalGids = append(u.AdditionalGids, gid)
	}
	return nil
}

// parseID reads a user or group ID, and only what has one meaning: no sign, no space, no leading zero, nothing that is cut to 32 bits
// (CVE-2026-30892: "-1" and numbers over 2^32 became root), and not the ID that chown(2) and setresuid(2) take for "leave it".
func parseID(s string) (uint32, error) {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil || strconv.FormatUint(n, 10) != s || n == math.MaxUint32 {
		return 0, fmt.Errorf("%q: not an ID in decimal digits below %d", s, uint32(math.MaxUint32))
	}
	return uint32(n), nil
}

// ParseSubCgroups reads the values of --cgroup: [controller[,controller]:]path. Without a controller there is one value, for v2.
func ParseSubCgroups(args []string) (map[string]string, error) {
	paths := map[string]string{}
	for _, arg := range args {
		controllers, path, ok := strings.Cut(arg, ":")
		if !ok {
			if len(args) != 1 {
				return nil, fmt.Errorf("invalid --cgroup argument: %s (missing <controller>: prefix)", arg)
			}
			return map[string]string{"": arg}, nil
		}
		for c := range strings.SplitSeq(controllers, ",") {
			if c == "" {
				return nil, fmt.Errorf("invalid --cgroup argument: %s (empty <controller> prefix)", arg)
			}
			if _, ok := paths[c]; ok {
				return nil, fmt.Errorf("invalid --cgroup argument(s): controller %s specified multiple times", c)
			}
			paths[c] = path
		}
	}
	return paths, nil
}
