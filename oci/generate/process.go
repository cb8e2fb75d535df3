// SPDX-License-Identifier: Apache-2.0

package generate

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

func processSettings() []Setting {
	return []Setting{
		{Names: []string{"args"}, Usage: "command to run in the container, one argument a flag", apply: func(s *specs.Spec, v string) error {
			s.Process.Args = append(s.Process.Args, v)
			return nil
		}},
		{Names: []string{"env"}, Usage: "environment variable as NAME=value", apply: setEnv},
		text("working directory", func(s *specs.Spec) *string { return &s.Process.Cwd }, "cwd", "process-cwd"),
		flag("whether a terminal is attached to the process", func(s *specs.Spec) *bool { return &s.Process.Terminal }, "tty", "terminal", "process-terminal"),
		{Names: []string{"console-size", "process-consolesize"}, Usage: "size of the terminal as width:height", apply: setConsoleSize},
		{Names: []string{"user"}, Usage: "user of the process as uid[:gid]", apply: setUser},
		number("user ID of the process", func(s *specs.Spec) *uint32 { return &s.Process.User.UID }, "uid", "process-uid"),
		number("group ID of the process", func(s *specs.Spec) *uint32 { return &s.Process.User.GID }, "gid", "process-gid"),
		{Names: []string{"groups", "process-groups"}, Usage: "supplementary group IDs, separated by commas", apply: addGroups},
		{Names: []string{"umask", "process-umask"}, Usage: "umask of the process, octal", apply: setUmask},
		{Names: []string{"rlimit", "process-rlimits-add"}, Usage: "limit as TYPE=soft[:hard], such as nofile=1024:4096, or RLIMIT_TYPE:hard:soft", apply: setRlimit},
		number("oom_score_adj of the process", func(s *specs.Spec) *int { return pointer(&s.Process.OOMScoreAdj) }, "oom-score-adj", "linux-oom-score-adj"),
	}
}

// setEnv replaces a variable of the same name.
func setEnv(s *specs.Spec, v string) error {
	name, _, err := assignment(v)
	if err != nil {
		return err
	}
	s.Process.Env = slices.DeleteFunc(s.Process.Env, func(e string) bool { return strings.HasPrefix(e, name+"=") })
	s.Process.Env = append(s.Process.Env, v)
	return nil
}

func setConsoleSize(s *specs.Spec, v string) error {
	width, height, ok := strings.Cut(v, ":")
	w, err1 := strconv.ParseUint(width, 10, 16)
	h, err2 := strconv.ParseUint(height, 10, 16)
	if !ok || err1 != nil || err2 != nil {
		return errors.New("want width:height")
	}
	s.Process.ConsoleSize = &specs.Box{Width: uint(w), Height: uint(h)}
	return nil
}

// setUser takes numbers only: whose names count is the image's affair, which is not looked at.
func setUser(s *specs.Spec, v string) error {
	uid, gid, both := strings.Cut(v, ":")
	u, err := parse[uint32](uid)
	if err != nil {
		return err
	}
	s.Process.User.UID = u
	if both {
		s.Process.User.GID, err = parse[uint32](gid)
	}
	return err
}

func addGroups(s *specs.Spec, v string) error {
	for g := range strings.SplitSeq(v, ",") {
		n, err := parse[uint32](g)
		if err != nil {
			return err
		}
		s.Process.User.AdditionalGids = append(s.Process.User.AdditionalGids, n)
	}
	return nil
}

func setUmask(s *specs.Spec, v string) error {
	n, err := strconv.ParseUint(v, 8, 32)
	if err != nil || n > 0o777 {
		return errors.New("want an octal number up to 777")
	}
	mask := uint32(n)
	s.Process.User.Umask = &mask
	return nil
}

// setRlimit replaces a limit of the same type.
func setRlimit(s *specs.Spec, v string) error {
	l, err := parseRlimit(v)
	if err != nil {
		return err
	}
	s.Process.Rlimits = slices.DeleteFunc(s.Process.Rlimits, func(o specs.POSIXRlimit) bool { return o.Type == l.Type })
	s.Process.Rlimits = append(s.Process.Rlimits, l)
	return nil
}

// parseRlimit reads nofile=soft[:hard], and RLIMIT_NOFILE:hard:soft as oci-runtime-tool has it.
func parseRlimit(v string) (l specs.POSIXRlimit, err error) {
	name, values, ok := strings.Cut(v, "=")
	var soft, hard string
	if ok {
		if soft, hard, ok = strings.Cut(values, ":"); !ok {
			hard = soft
		}
	} else if parts := strings.Split(v, ":"); len(parts) == 3 {
		name, hard, soft = parts[0], parts[1], parts[2]
	} else {
		return l, errors.New("want TYPE=soft[:hard]")
	}
	l.Type = strings.ToUpper(name)
	if !strings.HasPrefix(l.Type, "RLIMIT_") {
		l.Type = "RLIMIT_" + l.Type
	}
	if l.Soft, err = parseLimit(soft); err == nil {
		l.Hard, err = parseLimit(hard)
	}
	return l, err
}

func parseLimit(v string) (uint64, error) {
	if v == "unlimited" || v == "-1" {
		return ^uint64(0), nil
	}
	return parse[uint64](v)
}
