// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"os"
	"strconv"
	"strings"
)

// defaultRoot is /run/crisp-oci for the host's root, else in the user's own directory.
func defaultRoot() string {
	if dir := userDir(); dir != "" {
		return dir + "/crisp-oci"
	}
	return "/run/crisp-oci"
}

// userDir is $XDG_RUNTIME_DIR where it counts: not for the host's root, who often has it from a login.
func userDir() string {
	dir := os.Getenv("XDG_RUNTIME_DIR")
	if dir == "" {
		return ""
	}
	if os.Geteuid() != 0 {
		return dir
	}
	if user, ok := os.LookupEnv("USER"); ok && user == "root" || !inUserNamespace() {
		return ""
	}
	return dir
}

// makeUserRoot makes the root in the user's own directory, with the sticky bit, without which it might be pruned (XDG base directory
// specification).
func (g *global) makeUserRoot() error {
	if userDir() == "" {
		return nil
	}
	if err := os.MkdirAll(g.root, 0o700); err != nil {
		return errors.Join(errors.New("the path in $XDG_RUNTIME_DIR must be writable by the user"), err)
	}
	if err := os.Chmod(g.root, 0o700|os.ModeSticky); err != nil {
		return errors.Join(errors.New("you should check permission of the path in $XDG_RUNTIME_DIR"), err)
	}
	return nil
}

// parseRootless reads --rootless; nil is "auto".
func parseRootless(s string) (*bool, error) {
	if s == "" || strings.EqualFold(s, "auto") {
		return nil, nil
	}
	b, err := strconv.ParseBool(s)
	return &b, err
}

// ignoreCgroups says whether somebody without rights on cgroups is to get a container all the same.
func (g *global) ignoreCgroups() bool {
	if b, _ := parseRootless(g.rootless); b != nil {
		return *b
	}
	return os.Geteuid() != 0 || inUserNamespace()
}

// inUserNamespace says whether this is not the host's user namespace, which maps all IDs to themselves (user_namespaces(7)).
func inUserNamespace() bool {
	b, err := os.ReadFile("/proc/self/uid_map")
	if err != nil {
		return false
	}
	f := strings.Fields(string(b))
	return len(f) != 3 || f[0] != "0" || f[1] != "0" || f[2] != "4294967295"
}
