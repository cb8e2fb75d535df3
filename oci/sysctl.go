// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// sysctlPath is the path of a sysctl below /proc/sys. Names have dots or slashes as separators; the first one says which, and
// the other character then stands for itself (sysctl(8)): net.ipv4.conf.eth0/1.rp_filter is net/ipv4/conf/eth0.1/rp_filter.
func sysctlPath(name string) string {
	if i := strings.IndexAny(name, "./"); i < 0 || name[i] == '/' {
		return name
	}
	return strings.Map(func(r rune) rune {
		switch r {
		case '.':
			return '/'
		case '/':
			return '.'
		}
		return r
	}, name)
}

// ipcSysctls are those of an IPC namespace outside of fs/mqueue (ipc_namespaces(7)).
var ipcSysctls = []string{
	"kernel/msgmax", "kernel/msgmnb", "kernel/msgmni", "kernel/sem", "kernel/shmall", "kernel/shmmax", "kernel/shmmni",
	"kernel/shm_rmid_forced",
}

// sysctlNamespace is the namespace that a sysctl belongs to, "" when it is the whole host's.
func sysctlNamespace(path string) specs.LinuxNamespaceType {
	switch {
	case strings.HasPrefix(path, "net/"):
		return specs.NetworkNamespace
	case strings.HasPrefix(path, "fs/mqueue/"), slices.Contains(ipcSysctls, path):
		return specs.IPCNamespace
	case path == "kernel/domainname": // kernel/hostname has a field of its own
		return specs.UTSNamespace
	case strings.HasPrefix(path, "user/"):
		return specs.UserNamespace
	}
	return ""
}

// sysctlNeeds says whether a sysctl is of a type of namespace.
func sysctlNeeds(sysctl map[string]string, t specs.LinuxNamespaceType) bool {
	for name := range sysctl {
		if sysctlNamespace(sysctlPath(name)) == t {
			return true
		}
	}
	return false
}

// setSysctls writes the sysctls in the order of their names.
func (a *assembly) setSysctls() {
	for _, name := range slices.Sorted(maps.Keys(a.spec.Linux.Sysctl)) {
		a.about("set the sysctl %s", name)
		a.write(a.proc, "sys/"+sysctlPath(name), a.spec.Linux.Sysctl[name], false)
	}
}

// checkSysctl accepts the name of a sysctl of one of the container's own namespaces, with one value. Whatever could be read as
// more than one, or as a path that leads elsewhere, is refused (CVE-2022-0811).
func checkSysctl(spec *specs.Spec, name, value string) error {
	field := fmt.Sprintf("linux.sysctl[%q]", name)
	path := sysctlPath(name)
	for _, part := range strings.Split(path, "/") {
		if part == "" || part == "." || part == ".." {
			return invalid(field, "not the name of a sysctl")
		}
	}
	if strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '+' || r == '=' }) {
		return invalid(field, "not the name of a sysctl")
	}
	if strings.ContainsFunc(value, func(r rune) bool { return (r < ' ' && r != '\t') || r >= 0x7f || r == '+' }) {
		return invalid(field, fmt.Sprintf("%q: not a single value", value))
	}
	t := sysctlNamespace(path)
	switch {
	case t == "":
		return invalid(field, "not a sysctl of a namespace")
	case namespace(spec, t) == nil:
		return invalid(field, fmt.Sprintf("belongs to the %s namespace, which is the host's", t))
	}
	return nil
}
