// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
)

var update = flag.Bool("update", false, "write the golden files anew")

var testHost = Host{Capabilities: append(slices.Clone(DefaultCapabilities), "CAP_SYS_ADMIN", "CAP_NET_ADMIN", "CAP_NET_RAW")}

// golden compares v as JSON with testdata/NAME.json.
func golden(t *testing.T, name string, v any) {
	t.Helper()
	got, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join("testdata", name+".json")
	if *update {
		if err := os.WriteFile(file, append(got, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != string(got)+"\n" {
		t.Errorf("%s differs from what came out (-update writes it anew):\n%s", file, got)
	}
}

func podConfig() *runtime.PodSandboxConfig {
	return &runtime.PodSandboxConfig{Hostname: "web-0", Linux: &runtime.LinuxPodSandboxConfig{
		Sysctls:         map[string]string{"net.ipv4.ip_unprivileged_port_start": "0", "kernel/shm_rmid_forced": "1"},
		SecurityContext: &runtime.LinuxSandboxSecurityContext{NamespaceOptions: &runtime.NamespaceOption{Pid: runtime.NamespaceMode_CONTAINER}},
	}}
}

func containerInput() ContainerInput {
	return ContainerInput{
		ID: "c1", PodID: "p1", Pod: podConfig(), Hostname: "web-0", Host: testHost, CgroupsPath: "/kubepods/pod1/crisp-c1",
		Image:      ocispec.ImageConfig{Entrypoint: []string{"/bin/app"}, Cmd: []string{"serve"}, Env: []string{"PATH=/bin", "MODE=image"}, WorkingDir: "/srv"},
		Namespaces: Namespaces{Network: "/run/crisp/netns/p1", IPC: "/proc/7/ns/ipc", UTS: "/proc/7/ns/uts"},
		Files:      Files{Hostname: "/run/p1/hostname", ResolvConf: "/run/p1/resolv.conf", Shm: "/run/p1/shm"},
		Config: &runtime.ContainerConfig{
			Args: []string{"--port=80"},
			Envs: []*runtime.KeyValue{{Key: "MODE", Value: []byte("pod")}},
			Mounts: []*runtime.Mount{
				{ContainerPath: "/etc/hosts", HostPath: "/var/lib/kubelet/hosts"},
				{ContainerPath: "/data", HostPath: "/mnt/data", Readonly: true, RecursiveReadOnly: true},
				{ContainerPath: "/dev/shm", HostPath: "/mnt/shm", Propagation: runtime.MountPropagation_PROPAGATION_HOST_TO_CONTAINER},
			},
			Linux: &runtime.LinuxContainerConfig{
				Resources: &runtime.LinuxContainerResources{CpuShares: 512, CpuQuota: 50000, CpuPeriod: 100000, MemoryLimitInBytes: 64 << 20, OomScoreAdj: 999},
				SecurityContext: &runtime.LinuxContainerSecurityContext{
					RunAsUser: &runtime.Int64Value{Value: 1000}, SupplementalGroups: []int64{2000}, NoNewPrivs: true, ReadonlyRootfs: true,
					MaskedPaths: []string{"/proc/kcore"}, ReadonlyPaths: []string{"/proc/sys"},
					Capabilities: &runtime.Capability{AddCapabilities: []string{"net_admin"}, DropCapabilities: []string{"CHOWN"}},
				},
			},
		},
	}
}

func TestPodSpecIsAsRecorded(t *testing.T) {
	s, err := Pod(PodInput{ID: "p1", Config: podConfig(), Namespaces: Namespaces{Network: "/run/crisp/netns/p1"}, CgroupsPath: "/kubepods/pod1/crisp-p1", Root: "/run/p1/root", Host: testHost})
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "pod", s)
}

func TestContainerSpecIsAsRecorded(t *testing.T) {
	c, err := Container(containerInput())
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "container", c)
}

// TestNoAnnotationReachesTheRuntime: a pod's author writes them, and runtimes take some for orders, as org.systemd.property.* (CVE-2024-3154).
func TestNoAnnotationReachesTheRuntime(t *testing.T) {
	injected := map[string]string{"org.systemd.property.ExecStartPost": "'x'", "run.oci.keep_original_groups": "1"}
	pod := podConfig()
	pod.Annotations = injected
	s, err := Pod(PodInput{ID: "p1", Config: pod, CgroupsPath: "/kubepods/pod1/crisp-p1", Root: "/run/p1/root", Host: testHost})
	if err != nil || len(s.Annotations) > 0 {
		t.Error(s.Annotations, err)
	}
	in := containerInput()
	in.Pod, in.Config.Annotations = pod, injected
	c, err := Container(in)
	if err != nil || len(c.Spec.Annotations) > 0 {
		t.Error(c.Spec.Annotations, err)
	}
}

func TestDefaultSeccompDependsOnCapabilities(t *testing.T) {
	allows := func(add ...string) bool {
		in := containerInput()
		sc := in.Config.Linux.SecurityContext
		sc.Capabilities = &runtime.Capability{AddCapabilities: add}
		sc.Seccomp = &runtime.SecurityProfile{ProfileType: runtime.SecurityProfile_RuntimeDefault}
		c, err := Container(in)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range c.Spec.Linux.Seccomp.Syscalls {
			if slices.Contains(s.Names, "mount") && s.Action == "SCMP_ACT_ALLOW" {
				return true
			}
		}
		return false
	}
	if allows() || !allows("SYS_ADMIN") {
		t.Error("mount(2) must be allowed with SYS_ADMIN and only then")
	}
}

func TestBadConfigIsRefused(t *testing.T) {
	for name, spoil := range map[string]func(*ContainerInput, *runtime.LinuxContainerSecurityContext){
		"privileged in an unprivileged sandbox": func(_ *ContainerInput, sc *runtime.LinuxContainerSecurityContext) { sc.Privileged = true },
		"group without user": func(_ *ContainerInput, sc *runtime.LinuxContainerSecurityContext) {
			sc.RunAsUser, sc.RunAsGroup = nil, &runtime.Int64Value{Value: 1}
		},
		"user beyond int32": func(_ *ContainerInput, sc *runtime.LinuxContainerSecurityContext) { sc.RunAsUser.Value = 1 << 32 },
		"unknown capability": func(_ *ContainerInput, sc *runtime.LinuxContainerSecurityContext) {
			sc.Capabilities.AddCapabilities = []string{"NO_SUCH"}
		},
		"no command": func(in *ContainerInput, _ *runtime.LinuxContainerSecurityContext) {
			in.Image.Entrypoint, in.Image.Cmd, in.Config.Args = nil, nil, nil
		},
		"writable image volume": func(in *ContainerInput, _ *runtime.LinuxContainerSecurityContext) {
			in.Config.Mounts = []*runtime.Mount{{ContainerPath: "/i", Image: &runtime.ImageSpec{Image: "x"}}}
		},
		"recursive read-only without read-only": func(in *ContainerInput, _ *runtime.LinuxContainerSecurityContext) {
			in.Config.Mounts = []*runtime.Mount{{ContainerPath: "/i", HostPath: "/", RecursiveReadOnly: true}}
		},
		"recursive read-only with propagation": func(in *ContainerInput, _ *runtime.LinuxContainerSecurityContext) {
			in.Config.Mounts = []*runtime.Mount{{ContainerPath: "/i", HostPath: "/", Readonly: true, RecursiveReadOnly: true, Propagation: runtime.MountPropagation_PROPAGATION_HOST_TO_CONTAINER}}
		},
		"mount over the root": func(in *ContainerInput, _ *runtime.LinuxContainerSecurityContext) {
			in.Config.Mounts = []*runtime.Mount{{ContainerPath: "/..", HostPath: "/"}}
		},
		"relative seccomp profile": func(_ *ContainerInput, sc *runtime.LinuxContainerSecurityContext) {
			sc.Seccomp = &runtime.SecurityProfile{ProfileType: runtime.SecurityProfile_Localhost, LocalhostRef: "x.json"}
		},
		"device without permissions": func(in *ContainerInput, _ *runtime.LinuxContainerSecurityContext) {
			in.Config.Devices = []*runtime.Device{{HostPath: "/dev/null", ContainerPath: "/dev/x"}}
		},
		"swap below memory": func(in *ContainerInput, _ *runtime.LinuxContainerSecurityContext) {
			in.Config.Linux.Resources.MemorySwapLimitInBytes = 1
		},
		"environment with NUL": func(in *ContainerInput, _ *runtime.LinuxContainerSecurityContext) {
			in.Config.Envs = []*runtime.KeyValue{{Key: "A", Value: []byte{0}}}
		},
		"two user mappings": func(_ *ContainerInput, sc *runtime.LinuxContainerSecurityContext) {
			m := []*runtime.IDMapping{{HostId: 1000, Length: 1}, {HostId: 2000, ContainerId: 1, Length: 1}}
			sc.NamespaceOptions = &runtime.NamespaceOption{Pid: runtime.NamespaceMode_CONTAINER, UsernsOptions: &runtime.UserNamespace{Uids: m, Gids: m}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			in := containerInput()
			spoil(&in, in.Config.Linux.SecurityContext)
			if _, err := Container(in); !errors.Is(err, ErrInvalid) {
				t.Errorf("got %v, want ErrInvalid", err)
			}
		})
	}
}

func TestSysctlValuesCannotSmuggleAnother(t *testing.T) {
	for name, value := range map[string]string{
		"kernel.shm_rmid_forced": "1+kernel.core_pattern=|/evil", "kernel.core_pattern": "x", "net.ipv4.ip_forward\n": "1", "net/../kernel/x": "1",
		"kernel.shmmax": "1\n2",
	} {
		pod := podConfig()
		pod.Linux.Sysctls = map[string]string{name: value}
		if _, err := Pod(PodInput{Config: pod, Host: testHost}); !errors.Is(err, ErrInvalid) {
			t.Errorf("%q=%q: got %v, want ErrInvalid", name, value, err)
		}
	}
}

func TestHostNamespacesRefuseTheirSysctls(t *testing.T) {
	pod := podConfig()
	pod.Linux.SecurityContext.NamespaceOptions.Network = runtime.NamespaceMode_NODE
	if _, err := Pod(PodInput{Config: pod, Host: testHost}); !errors.Is(err, ErrInvalid) {
		t.Errorf("net sysctl in the node's network namespace: got %v", err)
	}
}
