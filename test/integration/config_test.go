// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"

	"crisp/test/cri"
	"crisp/test/images"
)

func TestContainerSeesWhatItsConfigSays(t *testing.T) {
	n := newNode(t)
	shared := filepath.Join(n.dir, "shared")
	n.must(os.MkdirAll(shared, 0o777))
	n.must(os.WriteFile(filepath.Join(shared, "file"), []byte("from the host"), 0o644))
	pod := cri.Pod("configured")
	pod.DnsConfig = &runtime.DNSConfig{Servers: []string{"192.0.2.53"}, Searches: []string{"crisp.test"}, Options: []string{"ndots:3"}}
	pod.Linux.Sysctls = map[string]string{"net.ipv4.ip_unprivileged_port_start": "80"}
	ctr := cri.Container("main", images.Busybox, "sleep", "1000")
	ctr.WorkingDir = "/tmp"
	ctr.Envs = []*runtime.KeyValue{{Key: "GREETING", Value: []byte("hello\xff")}}
	ctr.Mounts = []*runtime.Mount{
		{HostPath: shared, ContainerPath: "/rw"},
		{HostPath: shared, ContainerPath: "/ro", Readonly: true},
	}
	ctr.Linux.SecurityContext.RunAsUser = &runtime.Int64Value{Value: 1234}
	ctr.Linux.SecurityContext.RunAsGroup = &runtime.Int64Value{Value: 5678}
	ctr.Linux.SecurityContext.SupplementalGroups = []int64{91}
	ctr.Linux.SecurityContext.NoNewPrivs = true
	ctr.Linux.SecurityContext.ReadonlyRootfs = true
	n.must(os.Chmod(shared, 0o777))
	id := n.run(n.runPod(pod), pod, ctr)

	for script, want := range map[string]string{
		"pwd":                                               "/tmp",
		"echo $GREETING":                                    "hello\xff",
		"id -u; id -g; id -G":                               "1234\n5678\n5678 91",
		"hostname":                                          "configured",
		"cat /ro/file":                                      "from the host",
		"echo new > /rw/new && cat /ro/new":                 "new",
		"echo x > /ro/x || echo refused":                    "refused",
		"echo x > /x || echo refused":                       "refused",
		"grep NoNewPrivs /proc/1/status | cut -f2":          "1",
		"grep CapEff /proc/self/status | cut -f2":           "0000000000000000",
		"cat /proc/sys/net/ipv4/ip_unprivileged_port_start": "80",
		"cat /etc/resolv.conf":                              "nameserver 192.0.2.53\nsearch crisp.test\noptions ndots:3",
		"grep -c ' /dev/shm tmpfs' /proc/mounts":            "1",
		"readlink /proc/self/fd/0":                          "/dev/null",
	} {
		resp, err := n.ExecSynchronously(n.ctx, id, "sh", "-c", script)
		n.must(err)
		if got := strings.TrimSuffix(string(resp.Stdout), "\n"); !sameLines(got, want) {
			t.Errorf("%s: %q, want %q (stderr %q)", script, got, want, resp.Stderr)
		}
	}
}

// sameLines compares without the order of lines: resolv.conf's does not matter.
func sameLines(a, b string) bool {
	if a == b {
		return true
	}
	count := map[string]int{}
	for l := range strings.SplitSeq(a, "\n") {
		count[l]++
	}
	for l := range strings.SplitSeq(b, "\n") {
		count[l]--
	}
	for _, c := range count {
		if c != 0 {
			return false
		}
	}
	return true
}

func TestDefaultContainerIsConfined(t *testing.T) {
	n := newNode(t)
	_, id := n.sleeper("confined")
	for script, want := range map[string]string{
		// CHOWN DAC_OVERRIDE FOWNER FSETID KILL SETGID SETUID SETPCAP NET_BIND_SERVICE …: never SYS_ADMIN (bit 21)
		"cap=0x$(grep CapEff /proc/1/status | cut -f2); echo $((cap >> 21 & 1))": "0",
		"mount -t tmpfs none /tmp || echo refused":                               "refused",
		"echo x > /proc/sysrq-trigger || echo refused":                           "refused",
		"cat /proc/kcore | head -c 1 | wc -c":                                    "0",
		"ls /sys/firmware":                                                       "",
		"echo $$ > /dev/null && ls /dev/sda 2>/dev/null || echo none":            "none",
	} {
		resp, err := n.ExecSynchronously(n.ctx, id, "sh", "-c", script)
		n.must(err)
		if got := strings.TrimSpace(string(resp.Stdout)); got != want {
			t.Errorf("%s: %q, want %q (stderr %q)", script, got, want, resp.Stderr)
		}
	}
}

func TestDefaultSeccompProfileIsOn(t *testing.T) {
	n := newNode(t)
	pod := cri.Pod("seccomp")
	ctr := cri.Container("main", images.Busybox, "sleep", "1000")
	ctr.Linux.SecurityContext.Seccomp = &runtime.SecurityProfile{ProfileType: runtime.SecurityProfile_RuntimeDefault}
	id := n.run(n.runPod(pod), pod, ctr)
	if got := n.exec(id, "sh", "-c", "grep Seccomp: /proc/1/status | cut -f2"); got != "2\n" {
		t.Errorf("mode %q of the container", got)
	}
	if got := n.exec(id, "sh", "-c", "grep Seccomp: /proc/self/status | cut -f2"); got != "2\n" {
		t.Errorf("mode %q of an exec", got)
	}
}

func TestPodPIDNamespaceIsSharedAndReaped(t *testing.T) {
	n := newNode(t)
	pod := cri.Pod("shared-pids")
	pod.Linux.SecurityContext.NamespaceOptions.Pid = runtime.NamespaceMode_POD
	podID := n.runPod(pod)
	with := func(name string) string {
		ctr := cri.Container(name, images.Busybox, "sleep", "1000")
		ctr.Linux.SecurityContext.NamespaceOptions.Pid = runtime.NamespaceMode_POD
		return n.run(podID, pod, ctr)
	}
	first, second := with("first"), with("second")
	if got := strings.Count(n.exec(first, "ps"), "sleep 1000"); got != 2 {
		t.Errorf("%d sleepers in sight, want 2", got)
	}
	n.exec(second, "sh", "-c", "(sleep 0.01 &) ; true")
	n.eventually("the pause process reaps the orphan", func() bool {
		return !strings.Contains(n.exec(first, "ps"), "[sleep]") && !strings.Contains(n.exec(first, "ps"), "sleep 0.01")
	})
}

func TestPrivilegedContainerMayMount(t *testing.T) {
	n := newNode(t)
	pod := cri.Pod("privileged")
	pod.Linux.SecurityContext.Privileged = true
	ctr := cri.Container("main", images.Busybox, "sleep", "1000")
	ctr.Linux.SecurityContext.Privileged = true
	id := n.run(n.runPod(pod), pod, ctr)
	n.exec(id, "sh", "-c", "mount -t tmpfs none /tmp && umount /tmp")
}
