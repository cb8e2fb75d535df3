// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"fmt"
	"path/filepath"
	"strings"

	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// maxHostname is the kernel's (__NEW_UTS_LEN).
const maxHostname = 64

// validatePod refuses what can be seen to be wrong without looking at the node.
func validatePod(c *runtime.PodSandboxConfig, handler string) error {
	md := c.GetMetadata()
	switch {
	case handler != "":
		return fmt.Errorf("runtime handler %q: %w: only the default one is there", handler, ErrInvalid)
	case md == nil || md.GetName() == "" || md.GetNamespace() == "" || md.GetUid() == "":
		return fmt.Errorf("pod metadata: %w: name, namespace and uid are needed", ErrInvalid)
	case len(c.GetHostname()) > maxHostname:
		return fmt.Errorf("hostname of %d bytes: %w: the kernel takes %d", len(c.GetHostname()), ErrInvalid, maxHostname)
	case !oneLine(c.GetHostname()):
		return fmt.Errorf("hostname %q: %w", c.GetHostname(), ErrInvalid)
	case c.GetLogDirectory() != "" && !filepath.IsAbs(c.GetLogDirectory()):
		return fmt.Errorf("log directory %q: %w: it is not absolute", c.GetLogDirectory(), ErrInvalid)
	case strings.Contains(c.GetLinux().GetCgroupParent(), ".."):
		return fmt.Errorf("cgroup parent %q: %w", c.GetLinux().GetCgroupParent(), ErrInvalid)
	}
	sc := c.GetLinux().GetSecurityContext()
	if sc.GetRunAsGroup() != nil && sc.GetRunAsUser() == nil {
		return fmt.Errorf("run_as_group without run_as_user: %w", ErrInvalid)
	}
	return validateModes(sc.GetNamespaceOptions())
}

// validateModes refuses namespace modes that a pod cannot have.
func validateModes(o *runtime.NamespaceOption) error {
	pod, ctr, node := runtime.NamespaceMode_POD, runtime.NamespaceMode_CONTAINER, runtime.NamespaceMode_NODE
	for _, ns := range []struct {
		name string
		mode runtime.NamespaceMode
		ok   []runtime.NamespaceMode
	}{
		{"network", o.GetNetwork(), []runtime.NamespaceMode{pod, node}},
		{"ipc", o.GetIpc(), []runtime.NamespaceMode{pod, node}},
		{"pid", o.GetPid(), []runtime.NamespaceMode{pod, ctr, node}},
	} {
		valid := false
		for _, m := range ns.ok {
			valid = valid || m == ns.mode
		}
		if !valid {
			return fmt.Errorf("%s namespace mode %s of a pod: %w", ns.name, ns.mode, ErrInvalid)
		}
	}
	return nil
}

// validateContainer refuses what can be seen to be wrong without looking at the node.
func validateContainer(c *runtime.ContainerConfig) error {
	md := c.GetMetadata()
	switch {
	case md == nil || md.GetName() == "":
		return fmt.Errorf("container metadata: %w: a name is needed", ErrInvalid)
	case c.GetImage().GetImage() == "":
		return fmt.Errorf("container %s: %w: no image is named", md.GetName(), ErrInvalid)
	case c.GetLogPath() != "" && !filepath.IsLocal(c.GetLogPath()):
		return fmt.Errorf("log path %q: %w: it leaves the pod's log directory", c.GetLogPath(), ErrInvalid)
	}
	return nil
}

// oneLine says whether s can stand in a line of a file (CVE-2022-4318: a newline in a name made lines in /etc/passwd).
func oneLine(s string) bool { return !strings.ContainsAny(s, "\n\r\x00") }
