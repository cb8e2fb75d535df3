// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

const procMounts = `20 1 0:20 / / rw - ext4 /dev/root rw
21 20 0:21 / /proc rw,nosuid - proc proc rw
22 20 0:22 / /sys rw - sysfs sysfs rw
23 21 0:23 / /proc rw - proc proc rw
24 20 0:24 / /srv/a\040b/proc rw - proc proc rw
`

// With pivot_root the host's mounts are gone; without it each procfs that was forgotten is one that user namespaces may mount in full.
func TestChrootHidesEveryProcfsOfTheHost(t *testing.T) {
	procs, err := hostProcs(strings.NewReader(procMounts))
	if want := []string{"/proc", "/sys", "/proc", "/srv/a b/proc"}; err != nil || !slices.Equal(procs, want) {
		t.Fatalf("%q, %v", procs, err)
	}
	s := readSpec(t, "pause")
	c, err := Compile(s, CompileOptions{NoPivot: true, HostProcs: procs})
	if err != nil {
		t.Fatal(err)
	}
	text := c.String()
	at := 0
	for _, step := range []string{`UMOUNT "/srv/a b/proc"`, `UMOUNT "/proc"`, `UMOUNT "/sys"`, `UMOUNT "/proc"`, "CHROOT"} {
		i := strings.Index(text[at:], step)
		if i < 0 {
			t.Fatalf("no %s after the others in\n%s", step, text)
		}
		at += i + len(step)
	}
	s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: specs.UserNamespace})
	s.Linux.UIDMappings = []specs.LinuxIDMapping{{HostID: 1000, Size: 1}}
	s.Linux.GIDMappings = s.Linux.UIDMappings
	if c, err = Compile(s, CompileOptions{NoPivot: true, HostProcs: procs}); err != nil {
		t.Fatal(err)
	}
	if text = c.String(); strings.Count(text, `"/proc" type="tmpfs"`)+strings.Count(text, "cover the host's /proc\n") == 0 {
		t.Errorf("nothing covers /proc:\n%s", text)
	}
}
