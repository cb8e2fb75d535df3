// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

func TestCapabilities(t *testing.T) { verifyTables(t, "capabilities") }

var capNumbers = map[string]int{
	"CAP_CHOWN": unix.CAP_CHOWN, "CAP_KILL": unix.CAP_KILL, "CAP_NET_RAW": unix.CAP_NET_RAW, "CAP_SETUID": unix.CAP_SETUID,
	"CAP_SYS_CHROOT": unix.CAP_SYS_CHROOT,
}

// capSet is the probe's answer for a set.
func capSet(names ...string) string {
	var numbers []int
	for _, n := range names {
		numbers = append(numbers, capNumbers[n])
	}
	slices.Sort(numbers)
	var texts []string
	for _, n := range numbers {
		texts = append(texts, strconv.Itoa(n))
	}
	return strings.Join(texts, " ")
}

// fiveSets differ from each other.
var fiveSets = specs.LinuxCapabilities{
	Bounding:    []string{"CAP_CHOWN", "CAP_KILL", "CAP_NET_RAW", "CAP_SETUID"},
	Permitted:   []string{"CAP_CHOWN", "CAP_KILL", "CAP_NET_RAW"},
	Effective:   []string{"CAP_CHOWN", "CAP_KILL"},
	Inheritable: []string{"CAP_KILL", "CAP_NET_RAW"},
	Ambient:     []string{"CAP_NET_RAW"},
}

// An exec gives root what is bounding or inheritable, and others what is ambient (capabilities(7)); that is what the probe sees.
func capabilityTables() []table {
	all := []string{"bounding", "permitted", "effective", "inheritable", "ambient"}
	for i, set := range all {
		all[i] = "process.capabilities." + set
	}
	return []table{{name: "capabilities", rows: []row{
		{
			id: "capabilities.root", of: "6.1 process.capabilities", fields: all, alone: true,
			edit: func(k *bundle) { k.Process.Capabilities = &fiveSets },
			sees: []sight{
				{"caps Bnd", capSet(fiveSets.Bounding...)}, {"caps Inh", capSet(fiveSets.Inheritable...)},
				{"caps Prm", capSet(fiveSets.Bounding...)}, {"caps Eff", capSet(fiveSets.Bounding...)}, {"caps Amb", capSet("CAP_NET_RAW")},
			},
		}, {
			id: "capabilities.user", of: "6.1 process.capabilities", fields: all, alone: true,
			edit: func(k *bundle) { asUser(k); k.Process.Capabilities = &fiveSets },
			sees: []sight{
				{"caps Bnd", capSet(fiveSets.Bounding...)}, {"caps Inh", capSet(fiveSets.Inheritable...)},
				{"caps Prm", capSet("CAP_NET_RAW")}, {"caps Eff", capSet("CAP_NET_RAW")}, {"caps Amb", capSet("CAP_NET_RAW")},
			},
		}, {
			id: "capabilities.none", of: "6.1 process.capabilities", alone: true,
			edit: func(k *bundle) { k.inRootfs("/owned", "", 0o644); k.Process.Capabilities = nil },
			sees: []sight{{"caps Bnd", ""}, {"caps Prm", ""}, {"caps Eff", ""}, {"caps Inh", ""}, {"caps Amb", ""}, {"chown /owned 5", "EPERM"}},
		}, {
			id: "capabilities.unknown", of: "6.1 process.capabilities",
			run: func(b *bench) {
				k := b.bundle()
				k.Process.Capabilities = capabilities("CAP_KILL", "CAP_OF_A_LATER_KERNEL")
				k.asks = []string{"caps Bnd"}
				r := k.try()
				if r.code != 0 {
					b.fatalf("an unknown one is an error: %v", r)
				}
				if got := b.answers(r.out)["caps Bnd"]; got != capSet("CAP_KILL") {
					b.errorf("bounding: %q", got)
				}
				if !strings.Contains(r.errs, "CAP_OF_A_LATER_KERNEL") {
					b.errorf("no warning of it: %q", r.errs)
				}
			},
		}, {
			id: "capabilities.dropped", of: "6.1 process.capabilities", alone: true,
			edit: func(k *bundle) { k.inRootfs("/owned", "", 0o644); k.Process.Capabilities = capabilities("CAP_KILL") },
			sees: []sight{{"chown /owned 5", "EPERM"}, {"mknod /node c 1 3", "EPERM"}, {"call setdomainname 0 0", "EPERM"}},
		},
	}}}
}

// lockForGood keeps the goroutine on its thread, which ends with it.
func lockForGood() { runtime.LockOSThread() }
