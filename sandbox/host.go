// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/moby/sys/capability"

	"crisp/oci/cgroup"
	"crisp/sandbox/spec"
)

// readHost probes what containers can be given on this node.
func readHost(mode cgroup.Mode, d Defaults) (spec.Host, error) {
	caps, err := capability.NewPid2(0)
	if err != nil {
		return spec.Host{}, fmt.Errorf("capabilities of the daemon: %w", err)
	}
	if err := caps.Load(); err != nil {
		return spec.Host{}, fmt.Errorf("capabilities of the daemon: %w", err)
	}
	h := spec.Host{DefaultCapabilities: d.Capabilities, CgroupV2: mode == cgroup.V2}
	for _, c := range capability.ListKnown() {
		if caps.Get(capability.BOUNDING, c) {
			h.Capabilities = append(h.Capabilities, "CAP_"+strings.ToUpper(c.String()))
		}
	}
	slices.Sort(h.Capabilities)
	enabled, _ := os.ReadFile("/sys/module/apparmor/parameters/enabled")
	h.AppArmor = strings.HasPrefix(string(enabled), "Y")
	_, err = os.Stat("/sys/fs/selinux/enforce")
	h.SELinux = err == nil
	return h, nil
}
