// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// mountEnv says that TestControllers may mount what it needs.
const mountEnv = "OCI_MOUNT_CONTROLLERS"

// TestControllers is about controllers of cgroup v1 that hosts have as a rule and some have not. When it is told to, it mounts them in its
// own mount namespace; but the hierarchies, and the directories, are the machine's, and whatever else runs containers there meets them.
func TestControllers(t *testing.T) {
	if os.Geteuid() == 0 && !place.unified && os.Getenv(mountEnv) != "" {
		mountControllers(t)
	}
	verifyTables(t, "controllers")
}

func controllerTables() []table {
	return []table{{name: "controllers", rows: []row{
		{
			id: "resources.hugepageLimits.v1", of: "6.4 resources.hugepageLimits", fields: hugeFields(), lane: "v1", edit: hugepages,
			needs: needsV1("hugetlb"),
			sees:  []sight{cg("hugetlb", "hugetlb.2MB.limit_in_bytes", fmt.Sprint(8*mib)), cg("hugetlb", "hugetlb.2MB.rsvd.limit_in_bytes", fmt.Sprint(8*mib))},
		}, {
			id: "resources.hugepageLimits.size.v1", of: "6.4 resources.hugepageLimits", lane: "v1", refused: "3MB", needs: needsV1("hugetlb"), edit: oddPages,
		}, {
			id: "resources.network.classID.v1", of: "6.4 resources.network", fields: resourceFields("network", "classID"), lane: "v1", edit: network,
			needs: needsV1("net_cls"), sees: []sight{cg("net_cls", "net_cls.classid", fmt.Sprint(0x100001))},
		}, {
			id: "resources.network.priorities.v1", of: "6.4 resources.network", fields: resourceFields("network", "priorities.name", "priorities.priority"),
			lane: "v1", edit: network, needs: needsV1("net_prio"),
			sees: []sight{cg("net_prio", "net_prio.ifpriomap", "~lo 5")},
		},
	}}}
}

// mountControllers mounts those that are in no hierarchy where runtimes look for them. The empty directories are there for all to see.
func mountControllers(t *testing.T) {
	for _, name := range []string{"hugetlb", "net_cls", "net_prio"} {
		at := "/sys/fs/cgroup/" + name
		if needsV1(name)() == "" || !present(name) || os.Mkdir(at, 0o755) != nil {
			continue // the rows say what is missing
		}
		t.Cleanup(func() {
			if err := unix.Rmdir(at); err != nil {
				t.Errorf("remove %s: %v", at, err)
			}
		})
		if err := unix.Mount("cgroup", at, "cgroup", 0, name); err != nil {
			t.Errorf("mount the controller %s: %v", name, err)
			continue
		}
		t.Cleanup(func() {
			if err := unix.Rmdir(at + place.cgroup); err != nil && !errors.Is(err, unix.ENOENT) {
				t.Error(err)
			}
			if err := endHierarchy(name, at); err != nil {
				t.Errorf("unmount the controller %s: %v", name, err)
			}
		})
	}
}

// endHierarchy unmounts one until the kernel gives it up, which it does only when no cgroup is left in it: those that were removed take a
// moment to go (cgroup_kill_sb in kernel/cgroup/cgroup.c).
func endHierarchy(name, at string) error {
	for end := time.Now().Add(patience); ; {
		if err := unix.Unmount(at, 0); err != nil {
			return err
		}
		time.Sleep(10 * time.Millisecond) // it is a work queue that does it
		if number, _ := hierarchy(name); number == "0" {
			return nil
		}
		if time.Now().After(end) {
			return errors.New("the hierarchy stays")
		}
		if err := unix.Mount("cgroup", at, "cgroup", 0, name); err != nil {
			return err
		}
	}
}

// present: the kernel has the controller, and it is on.
func present(name string) bool {
	_, on := hierarchy(name)
	return on
}

// hierarchy of a controller (cgroups(7), /proc/cgroups): its number, 0 for none.
func hierarchy(name string) (number string, on bool) {
	text, err := os.ReadFile("/proc/cgroups")
	if err != nil {
		return "", false
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) == 4 && f[0] == name {
			return f[1], f[3] == "1"
		}
	}
	return "", false
}

// needsV1 is for a controller that is mounted by itself, as a container then sees it.
func needsV1(name string) func() string {
	return func() string {
		text, err := os.ReadFile("/proc/self/mountinfo")
		if err == nil && bytes.Contains(text, []byte("/"+name+" ")) {
			return ""
		}
		return "the controller " + name + " is not mounted (" + mountEnv + "=1 has the test mount it)"
	}
}
