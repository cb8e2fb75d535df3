// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"strings"
	"testing"
)

const sampleList = `# A list.
@name A reason for many.

mount /a
	configs: one two
	crisp runc: x
	crun: y
	why: @name

umask
	configs: one
	crisp: 0022
	crun: (none)
	why: words`

func sampleFound() []difference {
	return []difference{
		{item: "mount /a", configs: []string{"one"}, shown: map[string]string{"crisp": "x", "runc": "x", "crun": "y"}},
		{item: "mount /a", configs: []string{"two"}, shown: map[string]string{"crisp": "x", "runc": "x", "crun": "y"}},
		{item: "umask", configs: []string{"one"}, shown: map[string]string{"crisp": "0022", "crun": absent}},
	}
}

func TestListsAreReadAsTheyAreWritten(t *testing.T) {
	l, err := parseList(sampleList)
	must(t, err)
	if got := strings.TrimSpace(l.String()); got != sampleList {
		t.Errorf("got\n%s", got)
	}
	for _, broken := range []string{"top\n\nitem\nno tab: x", "top\n\nitem\n\tno colon"} {
		if _, err := parseList(broken); err == nil {
			t.Errorf("%q was taken", broken)
		}
	}
}

func TestComparisonWantsExactlyWhatIsListed(t *testing.T) {
	both := []string{"one", "two"}
	for name, c := range map[string]struct {
		list    string
		found   func([]difference) []difference
		configs []string
		want    string
	}{
		"the same":            {configs: both},
		"one config alone":    {configs: both[1:], found: func(d []difference) []difference { return d[1:2] }},
		"a new difference":    {configs: both, found: func(d []difference) []difference { d[2].item = "cwd"; return d }, want: "one: not listed: cwd"},
		"another value":       {configs: both, found: func(d []difference) []difference { d[2].shown["crun"] = "0"; return d }, want: "one: not listed: umask"},
		"one that vanished":   {configs: both, found: func(d []difference) []difference { return d[:2] }, want: "one: listed, and not so any more: umask"},
		"gone in one config":  {configs: both, found: func(d []difference) []difference { return append(d[:1], d[2]) }, want: "two: listed, and not so any more: mount /a"},
		"in a further config": {configs: append(both, "three"), found: func(d []difference) []difference { d[2].configs = []string{"three"}; return d }, want: "three: not listed of this config: umask"},
		"no reason":           {configs: both, list: strings.Replace(sampleList, "why: words", "why: ?", 1), want: "no reason is given: umask"},
		"an unknown reason":   {configs: both, list: strings.Replace(sampleList, "why: @name", "why: @other", 1), want: "no reason is given: mount /a"},
	} {
		t.Run(name, func(t *testing.T) {
			if c.list == "" {
				c.list = sampleList
			}
			l, err := parseList(c.list)
			must(t, err)
			found := sampleFound()
			if c.found != nil {
				found = c.found(found)
			}
			got := strings.Join(l.compare(merge(found), c.configs), "\n")
			if c.want == "" && got != "" || !strings.Contains(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestUpdateKeepsReasons(t *testing.T) {
	l, err := parseList(sampleList)
	must(t, err)
	found := sampleFound()
	found[2].item = "cwd"
	l.update(merge(found))
	if got := l.String(); !strings.Contains(got, "why: @name") || !strings.Contains(got, "cwd\n\tconfigs: one\n\tcrisp: 0022\n\tcrun: (none)\n\twhy: ?") {
		t.Errorf("got\n%s", got)
	}
}

func TestMountsAreComparable(t *testing.T) {
	m := mounts{points: map[string]string{}, masked: []string{"/proc/acpi", "/proc/scsi", "/proc/keys"}}
	for _, line := range []string{
		"30 20 0:30 / /sys/fs/cgroup/blkio ro,nosuid master:9 - cgroup cgroup rw,blkio",
		"31 20 0:31 / /sys/fs/cgroup/cpu,cpuacct ro,nosuid master:7 - cgroup cgroup rw,cpu,cpuacct",
		"32 20 0:32 / /sys/fs/cgroup/systemd ro,nosuid - cgroup cgroup rw,xattr,name=systemd",
		"20 10 0:20 / /sys/fs/cgroup rw shared:5 master:6 - tmpfs cgroup rw,mode=755",
		"10 9 0:10 /rootfs / rw - tmpfs tmpfs rw",
		"40 10 0:40 / /proc/acpi ro - tmpfs mask ro",
		"41 10 0:40 / /proc/scsi ro - tmpfs mask ro",
		"42 10 0:41 /null /proc/keys ro - tmpfs tmpfs rw",
	} {
		m.add(line)
	}
	got := items{}
	m.items(got)
	for item, want := range map[string]string{
		"mounts in order":                          "/sys/fs/cgroup /",
		"propagation /sys/fs/cgroup/CONTROLLER":    "master",
		"filesystem /sys/fs/cgroup/CONTROLLER":     "cgroup cgroup rw,CONTROLLER",
		"filesystem /sys/fs/cgroup/NAME":           "cgroup cgroup rw,xattr,name=NAME",
		"filesystem (masked directory)":            "tmpfs mask ro",
		"mount (masked file)":                      "/null",
		"parent of (masked file)":                  "",
		"propagation /sys/fs/cgroup":               "shared,master",
		"mount /":                                  "/rootfs",
		"filesystem /sys/fs/cgroup/CONTROLLER (2)": "",
	} {
		if got[item] != want {
			t.Errorf("%s is %q, want %q", item, got[item], want)
		}
	}
}

func FuzzFacts(f *testing.F) {
	f.Add("mount 0\t30 20 0:30 / / ro,nosuid master:9 - cgroup cgroup rw,blkio\nend\t0\n")
	f.Add("limit 3\tMax open files            512                  1024                 files\nstatus Pid\t1\nfile cgroup\t1:a:/b\\n0::/\nend\t0\n")
	f.Fuzz(func(_ *testing.T, out string) {
		if facts, err := readFacts(out); err == nil {
			place{scratch: "/tmp/s1"}.comparable(facts)
		}
	})
}
