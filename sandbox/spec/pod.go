// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"fmt"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// pauseOOMScore keeps the pause container alive when memory is short: it costs nothing and its death ends the pod. -998 as in the field.
const pauseOOMScore = -998

// Pod returns the config.json of a sandbox's pause container: the pod's namespaces, its sysctls, and a process that does nothing.
// The caller executes its own program in place of Args[0].
func Pod(in PodInput) (*specs.Spec, error) {
	sc := in.Config.GetLinux().GetSecurityContext()
	if sc.GetRunAsGroup() != nil && sc.GetRunAsUser() == nil {
		return nil, invalid("run_as_group", "is set without run_as_user")
	}
	sysctls, err := sysctls(in)
	if err != nil {
		return nil, err
	}
	s := &specs.Spec{
		Version: specs.Version,
		Root:    &specs.Root{Path: in.Root, Readonly: true},
		Process: &specs.Process{
			Args: []string{"pause"}, Cwd: "/", Env: []string{}, NoNewPrivileges: true,
			Capabilities: &specs.LinuxCapabilities{}, OOMScoreAdj: ptr(pauseOOMScore), User: pauseUser(sc),
		},
		Linux: &specs.Linux{
			Namespaces: podNamespaces(in), CgroupsPath: in.CgroupsPath, Sysctl: sysctls,
			Resources: &specs.LinuxResources{CPU: &specs.LinuxCPU{Shares: ptr(uint64(2))}, Devices: []specs.LinuxDeviceCgroup{{Allow: false, Access: "rwm"}}},
		},
	}
	if sc.GetNamespaceOptions().GetNetwork() != runtime.NamespaceMode_NODE {
		s.Hostname = in.Config.GetHostname()
	}
	if s.Linux.Seccomp, err = podSeccomp(sc, s); err != nil {
		return nil, err
	}
	return s, nil
}

func pauseUser(sc *runtime.LinuxSandboxSecurityContext) specs.User {
	return specs.User{UID: uint32(sc.GetRunAsUser().GetValue()), GID: uint32(sc.GetRunAsGroup().GetValue())}
}

func podSeccomp(sc *runtime.LinuxSandboxSecurityContext, s *specs.Spec) (*specs.LinuxSeccomp, error) {
	if sc.GetPrivileged() {
		return nil, nil
	}
	p := sc.GetSeccomp()
	if p == nil {
		//lint:ignore SA1019 older clients send nothing else
		p = securityProfile(sc.GetSeccompProfilePath())
	}
	return loadSeccomp(p, s)
}

// sysctls checks the pod's: a namespaced name, in a namespace that the pod has of its own, and one plain value (CVE-2022-0811: a
// '+' or '=' in a value smuggled a second, global one in). Names may have dots or slashes.
func sysctls(in PodInput) (map[string]string, error) {
	o := in.Config.GetLinux().GetSecurityContext().GetNamespaceOptions()
	out := map[string]string{}
	for name, value := range in.Config.GetLinux().GetSysctls() {
		key := sysctlName(name)
		if strings.ContainsAny(value, "\n\r\x00+=") || !plainSysctl(key) {
			return nil, invalid(fmt.Sprintf("sysctl %q", name), "has a character that no name or value may have")
		}
		switch {
		case strings.HasPrefix(key, "net."):
			if o.GetNetwork() == runtime.NamespaceMode_NODE {
				return nil, invalid("sysctl "+name, "the pod is in the node's network namespace")
			}
		case strings.HasPrefix(key, "fs.mqueue.") || ipcSysctls[key]:
			if o.GetIpc() == runtime.NamespaceMode_NODE {
				return nil, invalid("sysctl "+name, "the pod is in the node's ipc namespace")
			}
		default:
			return nil, invalid("sysctl "+name, "is not namespaced")
		}
		out[key] = value
	}
	return out, nil
}

// plainSysctl says whether a normalised name can only mean one file below /proc/sys: parts of letters, digits, '_', '-' and ':', where
// a single '/' stands for a dot within a part.
func plainSysctl(key string) bool {
	for part := range strings.SplitSeq(strings.ReplaceAll(key, "/", "."), ".") {
		if part == "" || strings.Trim(part, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-:") != "" {
			return false
		}
	}
	return true
}

// ipcSysctls are the sysctls of an ipc namespace (ipc_namespaces(7)).
var ipcSysctls = map[string]bool{
	"kernel.msgmax": true, "kernel.msgmnb": true, "kernel.msgmni": true, "kernel.sem": true, "kernel.shmall": true,
	"kernel.shmmax": true, "kernel.shmmni": true, "kernel.shm_rmid_forced": true,
}

// sysctlName normalises a name to dots. As sysctl(8) does, a name whose first separator is a slash uses slashes, and its dots
// belong to a part (net/ipv4/conf/eth0.100/forwarding); such dots become slashes.
func sysctlName(name string) string {
	i := strings.IndexAny(name, "./")
	if i < 0 || name[i] == '.' {
		return name
	}
	return strings.Map(func(r rune) rune {
		switch r {
		case '/':
			return '.'
		case '.':
			return '/'
		}
		return r
	}, name)
}
