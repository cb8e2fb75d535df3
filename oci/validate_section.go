// SPDX-License-Identifier: Apache-2.0

package oci

import "strings"

// sections are the parts of the runtime spec that say what a field means: file and heading. The longest prefix of a field counts.
var sections = table[string, string]{
	{"", "config.md#configuration"},
	{"ociVersion", "config.md#specification-version"},
	{"root", "config.md#root"},
	{"mounts", "config.md#mounts"},
	{"mounts.options", "config.md#linux-mount-options"},
	{"mounts.type", "config.md#posix-platform-mounts"},
	{"mounts.uidMappings", "config.md#posix-platform-mounts"},
	{"mounts.gidMappings", "config.md#posix-platform-mounts"},
	{"process", "config.md#process"},
	{"process.rlimits", "config.md#posix-process"},
	{"process.apparmorProfile", "config.md#linux-process"},
	{"process.capabilities", "config.md#linux-process"},
	{"process.noNewPrivileges", "config.md#linux-process"},
	{"process.oomScoreAdj", "config.md#linux-process"},
	{"process.scheduler", "config.md#linux-process"},
	{"process.selinuxLabel", "config.md#linux-process"},
	{"process.ioPriority", "config.md#linux-process"},
	{"process.execCPUAffinity", "config.md#linux-process"},
	{"process.user", "config.md#posix-platform-user"},
	{"process.user.username", "config.md#windows-user"},
	{"hostname", "config.md#hostname"},
	{"domainname", "config.md#domainname"},
	{"freebsd", "config.md#platform-specific-configuration"},
	{"solaris", "config.md#platform-specific-configuration"},
	{"vm", "config.md#platform-specific-configuration"},
	{"windows", "config.md#platform-specific-configuration"},
	{"zos", "config.md#platform-specific-configuration"},
	{"linux", "config.md#platform-specific-configuration"},
	{"hooks", "config.md#posix-platform-hooks"},
	{"hooks.prestart", "config.md#prestart"},
	{"hooks.createRuntime", "config.md#createruntime-hooks"},
	{"hooks.createContainer", "config.md#createcontainer-hooks"},
	{"hooks.startContainer", "config.md#startcontainer-hooks"},
	{"hooks.poststart", "config.md#poststart"},
	{"hooks.poststop", "config.md#poststop"},
	{"annotations", "config.md#annotations"},
	{"linux.namespaces", "config-linux.md#namespaces"},
	{"linux.uidMappings", "config-linux.md#user-namespace-mappings"},
	{"linux.gidMappings", "config-linux.md#user-namespace-mappings"},
	{"linux.timeOffsets", "config-linux.md#offset-for-time-namespace"},
	{"linux.devices", "config-linux.md#devices"},
	{"linux.netDevices", "config-linux.md#network-devices"},
	{"linux.cgroupsPath", "config-linux.md#cgroups-path"},
	{"linux.resources", "config-linux.md#control-groups"},
	{"linux.resources.devices", "config-linux.md#allowed-device-list"},
	{"linux.resources.memory", "config-linux.md#memory"},
	{"linux.resources.cpu", "config-linux.md#cpu"},
	{"linux.resources.blockIO", "config-linux.md#block-io"},
	{"linux.resources.pids", "config-linux.md#pids"},
	{"linux.resources.network", "config-linux.md#network"},
	{"linux.resources.rdma", "config-linux.md#rdma"},
	{"linux.resources.unified", "config-linux.md#unified"},
	{"linux.intelRdt", "config-linux.md#intelrdt"},
	{"linux.memoryPolicy", "config-linux.md#memory-policy"},
	{"linux.sysctl", "config-linux.md#sysctl"},
	{"linux.seccomp", "config-linux.md#seccomp"},
	{"linux.rootfsPropagation", "config-linux.md#rootfs-mount-propagation"},
	{"linux.maskedPaths", "config-linux.md#masked-paths"},
	{"linux.readonlyPaths", "config-linux.md#readonly-paths"},
	{"linux.mountLabel", "config-linux.md#mount-label"},
	{"linux.personality", "config-linux.md#personality"},
	{"linux.resources.hugepageLimits", "config-linux.md#huge-page-limits"},
}

// Section is where the runtime spec says what the field means: "config.md#mounts".
func (e *FieldError) Section() string {
	field := withoutIndexes(e.Field)
	for {
		if s, ok := sections.find(field); ok {
			return s
		}
		field = field[:max(strings.LastIndexByte(field, '.'), 0)]
	}
}

// withoutIndexes makes "mounts.options" of "mounts[3].options[1]". A key of a map, which may be any text, ends it.
func withoutIndexes(field string) string {
	field, _, _ = strings.Cut(field, `["`)
	var b strings.Builder
	for len(field) > 0 {
		name, rest, _ := strings.Cut(field, "[")
		b.WriteString(name)
		_, field, _ = strings.Cut(rest, "]")
	}
	return b.String()
}
