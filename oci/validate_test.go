// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// patched reads a JSON merge of one field into a valid spec.
func patched(t *testing.T, patch string) *specs.Spec {
	t.Helper()
	s := readSpec(t, "kubernetes")
	s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: specs.TimeNamespace})
	if strings.Contains(patch, `"namespaces"`) {
		s.Linux.Namespaces = nil // Unmarshal would merge old and new entries
	}
	if err := json.Unmarshal([]byte(patch), s); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestValidateNamesTheField(t *testing.T) {
	for _, c := range []struct{ patch, field string }{
		{`{"ociVersion": "2.0.0"}`, "ociVersion"},
		{`{"ociVersion": ""}`, "ociVersion"},
		{`{"process": null}`, "process"},
		{`{"linux": null, "hostname": "", "mounts": []}`, "linux"},
		{`{"process": {"args": []}}`, "process.args"},
		{`{"process": {"args": [""]}}`, "process.args[0]"},
		{`{"process": {"args": ["a\u0000b"]}}`, "process.args[0]"},
		{`{"process": {"env": ["A=\u0000"]}}`, "process.env[0]"},
		{`{"process": {"cwd": "rel"}}`, "process.cwd"},
		{`{"process": {"user": {"uid": 4294967295}}}`, "process.user.uid"},
		{`{"process": {"user": {"gid": 4294967295}}}`, "process.user.gid"},
		{`{"process": {"user": {"additionalGids": [1, 4294967295]}}}`, "process.user.additionalGids[1]"},
		{`{"process": {"user": {"umask": 512}}}`, "process.user.umask"},
		{`{"process": {"consoleSize": {"height": 65536, "width": 1}}}`, "process.consoleSize"},
		{`{"process": {"rlimits": [{"type": "RLIMIT_FOO"}]}}`, "process.rlimits[0].type"},
		{`{"process": {"rlimits": [{"type": "RLIMIT_CPU"}, {"type": "RLIMIT_CPU"}]}}`, "process.rlimits[1].type"},
		{`{"process": {"rlimits": [{"type": "RLIMIT_CPU", "soft": 2, "hard": 1}]}}`, "process.rlimits[0].soft"},
		{`{"process": {"oomScoreAdj": 1001}}`, "process.oomScoreAdj"},
		{`{"process": {"scheduler": {"policy": "SCHED_FOO"}}}`, "process.scheduler.policy"},
		{`{"process": {"scheduler": {"policy": "SCHED_OTHER", "priority": 3}}}`, "process.scheduler.priority"},
		{`{"process": {"scheduler": {"policy": "SCHED_OTHER", "runtime": 3}}}`, "process.scheduler.runtime"},
		{`{"process": {"scheduler": {"policy": "SCHED_OTHER", "nice": 20}}}`, "process.scheduler.nice"},
		{`{"process": {"scheduler": {"policy": "SCHED_OTHER", "flags": ["X"]}}}`, "process.scheduler.flags[0]"},
		{`{"process": {"ioPriority": {"class": "X"}}}`, "process.ioPriority.class"},
		{`{"process": {"ioPriority": {"class": "IOPRIO_CLASS_BE", "priority": 8}}}`, "process.ioPriority.priority"},
		{`{"process": {"execCPUAffinity": {"initial": "3-1"}}}`, "process.execCPUAffinity.initial"},
		{`{"process": {"execCPUAffinity": {"final": "99999"}}}`, "process.execCPUAffinity.final"},
		{`{"mounts": [{"destination": ""}]}`, "mounts[0].destination"},
		{`{"mounts": [{"destination": "/x/.."}]}`, "mounts[0].destination"},
		{`{"mounts": [{"destination": "/a\u0000"}]}`, "mounts[0].destination"},
		{`{"mounts": [{"destination": "/a", "uidMappings": [{"size": 1}]}]}`, "mounts[0].uidMappings"},
		{`{"linux": {"namespaces": [{"type": "mount"}, {"type": "mount"}]}}`, "linux.namespaces[1].type"},
		{`{"linux": {"namespaces": [{"type": "mount"}, {"type": "foo"}]}}`, "linux.namespaces[1].type"},
		{`{"linux": {"namespaces": [{"type": "mount"}, {"type": "pid", "path": "rel"}]}}`, "linux.namespaces[1].path"},
		{`{"linux": {"namespaces": [{"type": "mount"}]}}`, "hostname"},
		{`{"linux": {"uidMappings": [{"size": 1}]}}`, "linux.uidMappings"},
		{`{"linux": {"namespaces": [{"type": "mount"}, {"type": "uts"}, {"type": "user"}]}}`, "linux.uidMappings"},
		{`{"linux": {"uidMappings": [{"containerID": 4294967295, "size": 2}]}}`, "linux.uidMappings[0].size"},
		{`{"linux": {"timeOffsets": {"realtime": {"secs": 1}}}}`, "linux.timeOffsets.realtime"},
		{`{"linux": {"timeOffsets": {"boottime": {"nanosecs": 1000000000}}}}`, "linux.timeOffsets.boottime.nanosecs"},
		{`{"linux": {"devices": [{"path": "dev/x", "type": "c"}]}}`, "linux.devices[0].path"},
		{`{"linux": {"devices": [{"path": "/dev/x", "type": "x"}]}}`, "linux.devices[0].type"},
		{`{"linux": {"devices": [{"path": "/dev/x", "type": "c", "major": -1}]}}`, "linux.devices[0].major"},
		{`{"linux": {"devices": [{"path": "/dev/x", "type": "c", "minor": 1048576}]}}`, "linux.devices[0].minor"},
		{`{"linux": {"maskedPaths": ["a"]}}`, "linux.maskedPaths[0]"},
		{`{"linux": {"readonlyPaths": ["/a", "b"]}}`, "linux.readonlyPaths[1]"},
		{`{"linux": {"rootfsPropagation": "foo"}}`, "linux.rootfsPropagation"},
		{`{"linux": {"personality": {"domain": "FOO"}}}`, "linux.personality.domain"},
		{`{"ociVersion": "1.3"}`, "ociVersion"},
		{`{"ociVersion": "1.03.0"}`, "ociVersion"},
		{`{"process": {"cwd": ""}}`, "process.cwd"},
		{`{"process": {"scheduler": {"policy": "SCHED_FIFO", "priority": 0}}}`, "process.scheduler.priority"},
		{`{"process": {"scheduler": {"policy": "SCHED_DEADLINE", "runtime": 9, "deadline": 8}}}`, "process.scheduler.runtime"},
		{`{"process": {"scheduler": {"policy": "SCHED_DEADLINE", "runtime": 2000, "deadline": 1999}}}`, "process.scheduler.deadline"},
		{`{"process": {"scheduler": {"policy": "SCHED_DEADLINE", "runtime": 2000, "deadline": 2000, "period": 1999}}}`, "process.scheduler.period"},
		{`{"annotations": {"": "x"}}`, "annotations"},
		{`{"hooks": {"poststop": [{"path": "x"}]}}`, "hooks.poststop[0].path"},
		{`{"hooks": {"createRuntime": [{"path": "/x"}, {}]}}`, "hooks.createRuntime[1].path"},
		{`{"hooks": {"poststart": [{"path": "/x", "timeout": 0}]}}`, "hooks.poststart[0].timeout"},
		{`{"mounts": [{"destination": "/a", "type": "bind", "source": "/x", "options": ["idmap"]}]}`, "mounts[0].options"},
		{`{"linux": {"namespaces": [{"type": "mount"}, {"type": "user"}, {"type": "uts"}],
			"uidMappings": [{"containerID": 0, "hostID": 5, "size": 3}, {"containerID": 2, "hostID": 50, "size": 3}]}}`, "linux.uidMappings[1]"},
		{`{"linux": {"personality": {"domain": "LINUX", "flags": ["X"]}}}`, "linux.personality.flags"},
		{`{"linux": {"devices": [{"path": "/dev/x", "type": "c", "uid": 4294967295}]}}`, "linux.devices[0].uid"},
		{`{"linux": {"cgroupsPath": "/a/.."}}`, "linux.cgroupsPath"},
		{`{"linux": {"resources": {"devices": [{"allow": true, "type": "x"}]}}}`, "linux.resources.devices[0].type"},
		{`{"linux": {"resources": {"devices": [{"allow": true, "access": "rx"}]}}}`, "linux.resources.devices[0].access"},
		{`{"linux": {"resources": {"devices": [{"allow": true, "major": -2}]}}}`, "linux.resources.devices[0].major"},
		{`{"linux": {"resources": {"memory": {"limit": -2}}}}`, "linux.resources.memory.limit"},
		{`{"linux": {"resources": {"memory": {"limit": 2, "swap": 1}}}}`, "linux.resources.memory.swap"},
		{`{"linux": {"resources": {"memory": {"swappiness": 101}}}}`, "linux.resources.memory.swappiness"},
		{`{"linux": {"resources": {"cpu": {"quota": 2000, "burst": 2001}}}}`, "linux.resources.cpu.burst"},
		{`{"linux": {"resources": {"cpu": {"quota": -2}}}}`, "linux.resources.cpu.quota"},
		{`{"linux": {"resources": {"cpu": {"period": 999}}}}`, "linux.resources.cpu.period"},
		{`{"linux": {"resources": {"cpu": {"idle": 2}}}}`, "linux.resources.cpu.idle"},
		{`{"linux": {"resources": {"cpu": {"cpus": "a"}}}}`, "linux.resources.cpu.cpus"},
		{`{"linux": {"resources": {"cpu": {"mems": "1-"}}}}`, "linux.resources.cpu.mems"},
		{`{"linux": {"resources": {"cpu": {"realtimeRuntime": 3, "realtimePeriod": 2}}}}`, "linux.resources.cpu.realtimeRuntime"},
		{`{"linux": {"resources": {"blockIO": {"weight": 9}}}}`, "linux.resources.blockIO.weight"},
		{`{"linux": {"resources": {"blockIO": {"weightDevice": [{"major": 8, "minor": 0}]}}}}`, "linux.resources.blockIO.weightDevice[0]"},
		{`{"linux": {"resources": {"blockIO": {"throttleReadIOPSDevice": [{"major": -1, "rate": 5}]}}}}`,
			"linux.resources.blockIO.throttleReadIOPSDevice[0].major"},
		{`{"linux": {"resources": {"hugepageLimits": [{"pageSize": "2M", "limit": 5}]}}}`, "linux.resources.hugepageLimits[0].pageSize"},
		{`{"linux": {"resources": {"network": {"priorities": [{"name": "a/b"}]}}}}`, "linux.resources.network.priorities[0].name"},
		{`{"linux": {"resources": {"rdma": {"mlx5": {}}}}}`, `linux.resources.rdma["mlx5"]`},
		{`{"linux": {"resources": {"unified": {"../x": "1"}}}}`, `linux.resources.unified["../x"]`},
		{`{"linux": {"seccomp": {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": [], "action": "SCMP_ACT_KILL"}]}}}`,
			"linux.seccomp.syscalls[0].names"},
		{`{"linux": {"seccomp": {"defaultAction": "SCMP_ACT_ALLOW", "defaultErrnoRet": 1}}}`, "linux.seccomp.defaultErrnoRet"},
		{`{"linux": {"seccomp": {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["a"], "action": "SCMP_ACT_KILL", "errnoRet": 1}]}}}`,
			"linux.seccomp.syscalls[0].errnoRet"},
		{`{"linux": {"seccomp": {"defaultAction": "SCMP_ACT_ALLOW", "listenerMetadata": "x"}}}`, "linux.seccomp.listenerMetadata"},
		{`{"linux": {"netDevices": {"eth0:1": {}}}}`, `linux.netDevices["eth0:1"]`},
		{`{"linux": {"netDevices": {"eth0": {"name": "0123456789012345"}}}}`, `linux.netDevices["eth0"].name`},
		{`{"linux": {"netDevices": {"a": {"name": "b"}, "b": {}}}}`, `linux.netDevices["b"]`},
		{`{"linux": {"namespaces": [{"type": "mount"}, {"type": "uts"}], "netDevices": {"a": {}}}}`, "linux.netDevices"},
		{`{"linux": {"intelRdt": {"closID": "a/b"}}}`, "linux.intelRdt.closID"},
		{`{"linux": {"intelRdt": {"schemata": ["a", "L3:0=f\nMB:0=1"]}}}`, "linux.intelRdt.schemata[1]"},
		{`{"linux": {"intelRdt": {"memBwSchema": "0=1"}}}`, "linux.intelRdt.memBwSchema"},
		{`{"linux": {"memoryPolicy": {"mode": "MPOL_X"}}}`, "linux.memoryPolicy.mode"},
		{`{"linux": {"memoryPolicy": {"mode": "MPOL_BIND"}}}`, "linux.memoryPolicy.nodes"},
		{`{"linux": {"memoryPolicy": {"mode": "MPOL_LOCAL", "nodes": "0"}}}`, "linux.memoryPolicy.nodes"},
		{`{"linux": {"memoryPolicy": {"mode": "MPOL_BIND", "nodes": "x"}}}`, "linux.memoryPolicy.nodes"},
		{`{"linux": {"memoryPolicy": {"mode": "MPOL_BIND", "nodes": "0", "flags": ["X"]}}}`, "linux.memoryPolicy.flags[0]"},
		{`{"linux": {"memoryPolicy": {"mode": "MPOL_PREFERRED", "nodes": "0", "flags": ["MPOL_F_NUMA_BALANCING"]}}}`, "linux.memoryPolicy.flags"},
		{`{"hostname": "` + strings.Repeat("a", 65) + `"}`, "hostname"},
	} {
		err := Validate(patched(t, c.patch))
		var f *FieldError
		switch {
		case !errors.As(err, &f):
			t.Errorf("%s: %v, want a FieldError", c.patch, err)
		case !errors.Is(err, ErrInvalid):
			t.Errorf("%s: %v, want ErrInvalid", c.patch, err)
		case !hasField(err, c.field):
			t.Errorf("%s: %v, want the field %s", c.patch, err, c.field)
		}
	}
}

// hasField looks for a field in the lines of a joined error.
func hasField(err error, field string) bool {
	for _, line := range strings.Split(err.Error(), "\n") {
		if strings.HasPrefix(line, field+": ") {
			return true
		}
	}
	return false
}

func TestUnsupportedFieldsAreRefusedByName(t *testing.T) {
	for _, c := range []struct{ patch, field string }{
		{`{"vm": {"kernel": {"path": "/x"}}}`, "vm"},
	} {
		err := Validate(patched(t, c.patch))
		if !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), c.field) {
			t.Errorf("%s: %v, want unsupported %s", c.patch, err, c.field)
		}
	}
}

func TestValidSpecsAreAccepted(t *testing.T) {
	for _, patch := range []string{
		`{}`, `{"ociVersion": "1.0.2-dev"}`, `{"mounts": [{"destination": "relative", "type": "tmpfs"}]}`,
		`{"process": {"rlimits": [{"type": "RLIMIT_CPU", "soft": 1, "hard": 1}]}, "annotations": {"a": "b"}}`,
	} {
		if err := Validate(patched(t, patch)); err != nil {
			t.Errorf("%s: %v", patch, err)
		}
	}
}

func TestSysctls(t *testing.T) {
	for _, c := range []struct {
		name, value, path string
		ok                bool
	}{
		{"net.ipv4.ip_forward", "1", "net/ipv4/ip_forward", true},
		{"net/ipv4/ip_forward", "1", "net/ipv4/ip_forward", true},
		{"net.ipv4.conf.eth0/1.rp_filter", "1", "net/ipv4/conf/eth0.1/rp_filter", true},
		{"net/ipv4/conf/eth0.1/rp_filter", "1", "net/ipv4/conf/eth0.1/rp_filter", true},
		{"net.ipv4.ip_local_port_range", "1024 65000", "net/ipv4/ip_local_port_range", true},
		{"kernel.sem", "1\t2\t3", "kernel/sem", true},
		{"fs.mqueue.msg_max", "1", "fs/mqueue/msg_max", true},
		{"kernel.core_pattern", "x", "kernel/core_pattern", false},
		{"kernel.shmmaxx", "x", "kernel/shmmaxx", false},
		{"kernel.hostname", "x", "kernel/hostname", false},
		{"vm.overcommit_memory", "1", "vm/overcommit_memory", false},
		{"user.max_user_namespaces", "1", "user/max_user_namespaces", false}, // no user namespace in the spec
		{"net.ipv4.ip_forward", "1\n", "net/ipv4/ip_forward", false},
		{"net.ipv4.ip_forward", "1\x00", "net/ipv4/ip_forward", false},
		{"net.ipv4.ip_forward", "1+kernel.core_pattern=|/bin/sh", "net/ipv4/ip_forward", false},
		{"net.ipv4+x", "1", "net/ipv4+x", false},
		{"net.ipv4 x", "1", "net/ipv4 x", false},
		{"net/../kernel/core_pattern", "x", "net/../kernel/core_pattern", false},
		{"net.//.kernel.core_pattern", "x", "net/../kernel/core_pattern", false},
		{"net..ipv4", "1", "net//ipv4", false},
		{"net/", "1", "net/", false},
		{"", "1", "", false},
	} {
		if got := sysctlPath(c.name); got != c.path {
			t.Errorf("sysctlPath(%q) = %q, want %q", c.name, got, c.path)
		}
		s := readSpec(t, "kubernetes")
		if err := checkSysctl(s, c.name, c.value); (err == nil) != c.ok {
			t.Errorf("checkSysctl(%q, %q) = %v, want ok: %v", c.name, c.value, err, c.ok)
		}
	}
}

func TestSysctlOfHostNamespaceIsRefused(t *testing.T) {
	s := patched(t, `{"linux": {"namespaces": [{"type": "mount"}, {"type": "uts"}], "sysctl": {"net.ipv4.ip_forward": "1"}}}`)
	if err := Validate(s); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), "network namespace") {
		t.Errorf("got %v", err)
	}
}
