// SPDX-License-Identifier: Apache-2.0

package conformance

import "testing"

// sections are the rows of section 6 of the design's reference, the checklist of runtime-spec 1.3.0 on Linux; every one has rows here.
var sections = []string{
	"6.1 ociVersion", "6.1 hostname", "6.1 annotations", "6.1 process.terminal", "6.1 process.user", "6.1 process.args",
	"6.1 process.capabilities", "6.1 process.rlimits", "6.1 process.noNewPrivileges", "6.1 process.labels", "6.1 process.oomScoreAdj",
	"6.1 process.scheduler", "6.1 process.ioPriority", "6.1 process.execCPUAffinity", "6.1 root",

	"6.2 destination", "6.2 type", "6.2 flags", "6.2 recursive", "6.2 propagation", "6.2 extensions", "6.2 remount", "6.2 cgroup mount",
	"6.2 proc and sysfs", "6.2 defaults",

	"6.3 hooks",

	"6.4 namespaces", "6.4 mappings", "6.4 timeOffsets", "6.4 devices", "6.4 netDevices", "6.4 cgroupsPath", "6.4 cgroup ownership",
	"6.4 resources.devices", "6.4 resources.memory", "6.4 resources.cpu", "6.4 resources.pids", "6.4 resources.blockIO",
	"6.4 resources.hugepageLimits", "6.4 resources.network", "6.4 resources.rdma", "6.4 resources.unified", "6.4 rootfsPropagation",
	"6.4 maskedPaths", "6.4 mountLabel", "6.4 sysctl", "6.4 seccomp", "6.4 intelRdt", "6.4 memoryPolicy", "6.4 personality",

	"6.5 operations", "6.5 errors", "6.5 features",
}

func TestEverySectionHasRows(t *testing.T) {
	have := map[string]int{}
	for _, s := range sections {
		have[s] = 0
	}
	for _, r := range allRows() {
		if _, ok := have[r.of]; !ok {
			t.Errorf("%s is of %q, which is no row of section 6", r.id, r.of)
		}
		have[r.of]++
	}
	for section, n := range have {
		if n == 0 {
			t.Errorf("no row is of %s", section)
		}
	}
}
