// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"fmt"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// podNamespaces are the pause container's: it makes the pod's ipc, uts and (shared) pid namespaces, and joins the network
// namespace, which stands before it so that the network can be attached meanwhile.
func podNamespaces(in PodInput) []specs.LinuxNamespace {
	o := in.Config.GetLinux().GetSecurityContext().GetNamespaceOptions()
	ns := []specs.LinuxNamespace{{Type: specs.MountNamespace}}
	if o.GetNetwork() != runtime.NamespaceMode_NODE {
		ns = append(ns, specs.LinuxNamespace{Type: specs.NetworkNamespace, Path: in.Namespaces.Network}, specs.LinuxNamespace{Type: specs.UTSNamespace})
	}
	if o.GetIpc() != runtime.NamespaceMode_NODE {
		ns = append(ns, specs.LinuxNamespace{Type: specs.IPCNamespace})
	}
	if o.GetPid() != runtime.NamespaceMode_NODE {
		ns = append(ns, specs.LinuxNamespace{Type: specs.PIDNamespace})
	}
	if in.Namespaces.User != "" {
		ns = append(ns, specs.LinuxNamespace{Type: specs.UserNamespace, Path: in.Namespaces.User})
	}
	return ns
}

// containerNamespaces joins the pod's; the mount namespace, and on cgroup v2 the cgroup namespace, are the container's own.
func containerNamespaces(in ContainerInput) []specs.LinuxNamespace {
	n, o := in.Namespaces, in.Config.GetLinux().GetSecurityContext().GetNamespaceOptions()
	ns := []specs.LinuxNamespace{{Type: specs.MountNamespace}}
	for _, j := range []struct {
		kind specs.LinuxNamespaceType
		path string
	}{{specs.NetworkNamespace, n.Network}, {specs.IPCNamespace, n.IPC}, {specs.UTSNamespace, n.UTS}, {specs.UserNamespace, n.User}} {
		if j.path != "" {
			ns = append(ns, specs.LinuxNamespace{Type: j.kind, Path: j.path})
		}
	}
	if n.PID != "" || o.GetPid() != runtime.NamespaceMode_NODE {
		ns = append(ns, specs.LinuxNamespace{Type: specs.PIDNamespace, Path: n.PID})
	}
	if in.Host.CgroupV2 && !in.Config.GetLinux().GetSecurityContext().GetPrivileged() {
		ns = append(ns, specs.LinuxNamespace{Type: specs.CgroupNamespace})
	}
	return ns
}

// UserNamespace checks the pod's user namespace options and returns its mappings, none when the pod has none. The kubelet
// gives one range that starts at the container's root, the same for users and groups (KEP-127).
func UserNamespace(o *runtime.NamespaceOption) (uids, gids []specs.LinuxIDMapping, err error) {
	u := o.GetUsernsOptions()
	switch {
	case u == nil:
		return nil, nil, nil
	case u.GetMode() == runtime.NamespaceMode_NODE:
		if len(u.GetUids())+len(u.GetGids()) > 0 {
			return nil, nil, invalid("userns_options", "mode NODE takes no mappings")
		}
		return nil, nil, nil
	case u.GetMode() != runtime.NamespaceMode_POD:
		return nil, nil, invalid("userns_options.mode", fmt.Sprintf("%s is not possible for a user namespace", u.GetMode()))
	case len(u.GetUids()) != 1 || len(u.GetGids()) != 1:
		return nil, nil, invalid("userns_options", "exactly one uid and one gid mapping are wanted")
	}
	uids, gids = idMappings(u.GetUids()), idMappings(u.GetGids())
	if uids[0].ContainerID != 0 || gids[0].ContainerID != 0 || uids[0].Size == 0 || gids[0].Size == 0 {
		return nil, nil, invalid("userns_options", "the container's root (0) is not mapped")
	}
	if !slices.Equal(uids, gids) {
		return nil, nil, invalid("userns_options", "uids and gids are mapped differently")
	}
	return uids, gids, nil
}

func idMappings(in []*runtime.IDMapping) []specs.LinuxIDMapping {
	var out []specs.LinuxIDMapping
	for _, m := range in {
		out = append(out, specs.LinuxIDMapping{ContainerID: m.GetContainerId(), HostID: m.GetHostId(), Size: m.GetLength()})
	}
	return out
}
