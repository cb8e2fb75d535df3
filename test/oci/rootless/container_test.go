// SPDX-License-Identifier: Apache-2.0

package rootless

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

func TestUsersRunContainers(t *testing.T) {
	u := newUser(t)
	adj := 345
	u.bundle("c", `
echo $(id -u) $(id -g) $(hostname) $$
echo $(cat /proc/self/uid_map) $(cat /proc/self/gid_map) $(cat /proc/self/setgroups)
echo $(cat /proc/self/oom_score_adj) $(ulimit -n)
grep -E '^(CapInh|CapPrm|CapEff|CapBnd|CapAmb|NoNewPrivs)' /proc/self/status | tr '\t\n' '  '; echo
stat -c '%n %F %t:%T' /dev/null /dev/full
touch /new && stat -c '%u:%g' /new
echo x >/proc/sys/kernel/domainname
ls /sys/firmware | wc -l; wc -c </proc/keys
`, func(s *specs.Spec) {
		s.Process.OOMScoreAdj = &adj
		s.Process.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_NOFILE", Soft: 500, Hard: 600}}
	}).prints(fmt.Sprintf(`0 0 crisp 1
0 %[1]d 1 0 %[1]d 1 deny
345 500
CapInh: 0000000000000000 CapPrm: 0000000020000420 CapEff: 0000000020000420 CapBnd: 0000000020000420 CapAmb: 0000000000000000 NoNewPrivs: 1 
/dev/null character special file 1:3
/dev/full character special file 1:7
0:0
0
0
`, uid))
	st, err := os.Stat(u.path("home/c/rootfs/new"))
	u.must(err)
	if owner := st.Sys().(*syscall.Stat_t); owner.Uid != uid || owner.Gid != uid {
		t.Errorf("the container's file is of %d:%d", owner.Uid, owner.Gid)
	}
}

// strangers maps nothing of the user.
func strangers(s *specs.Spec) {
	m := []specs.LinuxIDMapping{{ContainerID: 0, HostID: firstSub, Size: 100}}
	s.Linux.UIDMappings, s.Linux.GIDMappings = m, m
}

// many maps the user's own ID and those that it has besides.
func many(s *specs.Spec) {
	m := []specs.LinuxIDMapping{{ContainerID: 0, HostID: uid, Size: 1}, {ContainerID: 1, HostID: firstSub, Size: subs}}
	s.Linux.UIDMappings, s.Linux.GIDMappings = m, m
}

func TestUsersMapIDsOfSubuid(t *testing.T) {
	needTools(t)
	u := newUser(t)
	u.bundle("c", `
echo $(id -u) $(id -g) $(id -G) $(cat /proc/self/uid_map) $(cat /proc/self/oom_score_adj)
touch /tmp/mine && stat -c %u:%g /tmp/mine
cat /etc/name`, many, func(s *specs.Spec) {
		adj := 345
		s.Process.OOMScoreAdj = &adj
		s.Process.User = specs.User{UID: 5, GID: 6, AdditionalGids: []uint32{7, 8}}
		s.Mounts = append(s.Mounts, specs.Mount{Destination: "/tmp", Type: "tmpfs", Source: "tmpfs", Options: []string{"mode=1777", "gid=9"}})
	}).prints(fmt.Sprintf("5 6 6 7 8 0 %d 1 1 %d %d 345\n5:6\nbox\n", uid, firstSub, subs))

	// Neither of the mapped IDs may look into the user's home, in which the root file system is and a volume.
	root := u.bundle("root", `cat /etc/name /v/file; chown 3:4 /etc/name; stat -c %u:%g /etc/name`, func(s *specs.Spec) {
		m := []specs.LinuxIDMapping{{ContainerID: 0, HostID: firstSub, Size: 100}, {ContainerID: 100, HostID: uid, Size: 1}}
		s.Linux.UIDMappings, s.Linux.GIDMappings = m, m
		all := []string{"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER"}
		s.Process.Capabilities = &specs.LinuxCapabilities{Bounding: all, Effective: all, Permitted: all}
		s.Mounts = append(s.Mounts, specs.Mount{Destination: "/v", Type: "bind", Source: u.path("home/v"), Options: []string{"rbind", "ro"}})
	})
	u.must(os.Mkdir(u.path("home/v"), 0o755))
	u.must(os.WriteFile(u.path("home/v/file"), []byte("volume\n"), 0o644))
	root.prints("box\nvolume\n3:4\n")
}

func TestMappingsThatAreNotTheUsersAreRefused(t *testing.T) {
	needTools(t)
	u := newUser(t)
	u.bundle("c", "true", func(s *specs.Spec) { s.Linux.UIDMappings[0].HostID = 0 }).fails("newuidmap 0 0 1", "run", "c")
	u.bundle("d", "true", many, func(s *specs.Spec) {
		s.Linux.GIDMappings = append([]specs.LinuxIDMapping(nil), s.Linux.GIDMappings...)
		s.Linux.GIDMappings[1].Size++
	}).fails("newgidmap", "run", "d")
}

func TestRootsThingsAreRefusedByName(t *testing.T) {
	u := newUser(t)
	u.bundle("c", "true", func(s *specs.Spec) {
		s.Linux.Namespaces = s.Linux.Namespaces[:len(s.Linux.Namespaces)-1]
		s.Linux.UIDMappings, s.Linux.GIDMappings = nil, nil
	}).fails("rootless container requires user namespaces", "run", "c")
	u.bundle("d", "true", func(s *specs.Spec) {
		s.Mounts = append(s.Mounts, specs.Mount{Destination: "/x", Type: "tmpfs", Source: "x", Options: []string{"gid=5"}})
	}).fails("cannot specify gid=5 mount option", "run", "d")
	u.bundle("e", "true", func(s *specs.Spec) { s.Process.User.AdditionalGids = []uint32{5} }).
		fails("cannot set any additional groups in a rootless container", "run", "e")
	out, _, _ := u.bundle("f", "true", func(s *specs.Spec) { s.Linux.Namespaces = s.Linux.Namespaces[:3] }).oci("validate")
	if !strings.Contains(out, "user namespace") {
		t.Errorf("validate: %s", out)
	}
}

func TestLifeCycle(t *testing.T) {
	u := newUser(t)
	c := u.bundle("c", "trap 'exit 7' TERM; touch /started; while :; do sleep 0.01; done")
	c.does("create", "--pid-file", u.path("home/pid"), "c")
	t.Cleanup(func() { c.does("delete", "--force", "c") })
	if s := c.state(); s.Status != "created" {
		t.Errorf("state %s", s.Status)
	}
	// Before and after its start: its namespaces are the user's to see, as network programs of users need.
	look := func() {
		t.Helper()
		if out, errs, err := u.command("/", "readlink", fmt.Sprintf("/proc/%d/ns/net", c.state().Pid)); err != nil {
			t.Errorf("the container's namespaces: %v %s%s", err, out, errs)
		}
		if got := c.does("exec", "c", "/bin/sh", "-c", "echo $(id -u) $(cat /proc/self/uid_map) $(hostname); grep -c . /etc/name"); got != fmt.Sprintf("0 0 %d 1 crisp\n1\n", uid) {
			t.Errorf("exec says %q", got)
		}
	}
	look()
	c.does("start", "c")
	c.eventually("started", func() bool { _, err := os.Stat(u.path("home/c/rootfs/started")); return err == nil })
	look()
	if fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", c.state().Pid)); err != nil || len(fds) != 3 {
		t.Errorf("descriptors of the workload: %v, %v", fds, err)
	}
	if out := c.does("list"); !strings.Contains(out, "running") || !strings.Contains(out, "ann") {
		t.Errorf("list: %s", out)
	}
	c.fails("", "delete", "c")
	c.does("kill", "c", "TERM")
	c.eventually("its end", func() bool { return c.state().Status == specs.StateStopped })
	c.does("delete", "c")
	if out := c.does("list", "--quiet"); out != "" {
		t.Errorf("list: %s", out)
	}
	if _, err := os.Stat(u.path("run/crisp-oci")); err != nil {
		t.Error("records are not in the user's directory: ", err)
	}
}

func TestHooksOfUsersFindTheNamespaces(t *testing.T) {
	u := newUser(t)
	hook := func(file, pid string) []specs.Hook {
		return []specs.Hook{{Path: "/bin/sh", Args: []string{"sh", "-c", "pid=" + pid + "; readlink /proc/$pid/ns/net >" + u.path("home/"+file)}}}
	}
	const told = `$(sed 's/.*"pid":\([0-9]*\).*/\1/')`
	c := u.bundle("c", waits, func(s *specs.Spec) {
		s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: specs.NetworkNamespace})
		s.Hooks = &specs.Hooks{CreateRuntime: hook("runtime", told), CreateContainer: hook("container", "self"), Poststart: hook("poststart", told)}
	})
	c.does("create", "c")
	t.Cleanup(func() { c.does("delete", "--force", "c") })
	want := c.does("exec", "c", "/bin/readlink", "/proc/self/ns/net")
	c.does("start", "c")
	for _, name := range []string{"runtime", "container", "poststart"} {
		if b, err := os.ReadFile(u.path("home/" + name)); err != nil || string(b) != want || want == "" {
			t.Errorf("%s: %q, %v, want %q", name, b, err, want)
		}
	}
}

func TestNamespacesOfUsersContainers(t *testing.T) {
	u := newUser(t)
	u.bundle("c", `cat /proc/sys/kernel/shmmax /proc/sys/net/ipv4/ip_default_ttl; cut -d. -f1 /proc/uptime | grep -cE '^[0-9]{9}$'
mount | grep -cE ' on /(sys|proc|dev/mqueue) '; ip addr show lo | grep -c 'inet 127'`, func(s *specs.Spec) {
		s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: specs.NetworkNamespace}, specs.LinuxNamespace{Type: specs.TimeNamespace})
		if !slices.ContainsFunc(s.Linux.Namespaces, func(n specs.LinuxNamespace) bool { return n.Type == specs.CgroupNamespace }) {
			s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: specs.CgroupNamespace}) // spec has it on v2
		}
		s.Linux.Sysctl = map[string]string{"kernel.shmmax": "5555", "net.ipv4.ip_default_ttl": "77"}
		s.Linux.TimeOffsets = map[string]specs.LinuxTimeOffset{"boottime": {Secs: 500_000_000}}
		for i := range s.Mounts {
			if s.Mounts[i].Destination == "/sys" {
				s.Mounts[i] = specs.Mount{Destination: "/sys", Type: "sysfs", Source: "sysfs", Options: []string{"ro", "nosuid"}}
			}
		}
	}).prints("5555\n77\n1\n3\n1\n")
	// Of the host's network and processes, the file systems are the host's too.
	u.bundle("host", "test -d /sys/kernel && test $$ -gt 1 && grep -c . /proc/1/comm", func(s *specs.Spec) {
		s.Linux.MaskedPaths, s.Linux.ReadonlyPaths = nil, nil
		var kept []specs.LinuxNamespace
		for _, n := range s.Linux.Namespaces {
			if n.Type != specs.PIDNamespace {
				kept = append(kept, n)
			}
		}
		s.Linux.Namespaces = kept
	}).prints("1\n")
}

func TestContainersOfUsersShareNamespaces(t *testing.T) {
	u := newUser(t)
	netns := func(s *specs.Spec) {
		s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: specs.NetworkNamespace})
		s.Hostname = "shared"
	}
	first := u.bundle("first", waits, netns)
	first.running()
	pid := first.state().Pid
	second := u.bundle("second", "hostname; ps | grep -c '[s]tarted'; cat /etc/name; readlink /proc/self/ns/user; readlink /proc/self/ns/net; "+waits, netns,
		func(s *specs.Spec) {
			s.Hostname = ""
			s.Linux.UIDMappings, s.Linux.GIDMappings = nil, nil
			for i := range s.Linux.Namespaces {
				n := &s.Linux.Namespaces[i]
				file := map[specs.LinuxNamespaceType]string{specs.UserNamespace: "user", specs.PIDNamespace: "pid", specs.NetworkNamespace: "net",
					specs.IPCNamespace: "ipc", specs.UTSNamespace: "uts"}[n.Type]
				if file != "" {
					n.Path = fmt.Sprintf("/proc/%d/ns/%s", pid, file)
				}
			}
		})
	second.running()
	want := second.does("exec", "second", "/bin/sh", "-c", "readlink /proc/self/ns/user; readlink /proc/self/ns/net; hostname")
	if got := first.does("exec", "first", "/bin/sh", "-c", "readlink /proc/self/ns/user; readlink /proc/self/ns/net; hostname"); got != want || !strings.HasSuffix(got, "shared\n") {
		t.Errorf("they are in %q and %q", got, want)
	}
	if got := first.does("exec", "first", "/bin/sh", "-c", "ps | grep -c '[s]tarted'"); got != "2\n" {
		t.Errorf("of two workloads %s are in sight", got)
	}
	// Without a cgroup, nothing but its first process is known of a container that has no PID namespace of its own.
	second.does("kill", "second", "KILL")
	second.eventually("its end", func() bool { return second.state().Status == specs.StateStopped })
	if s := first.state(); s.Status != specs.StateRunning {
		t.Errorf("the other is %s", s.Status)
	}
}

func TestTemporaryFileSystemsOfUsersCopyUp(t *testing.T) {
	u := newUser(t)
	copied := func(s *specs.Spec) {
		s.Mounts = append(s.Mounts, specs.Mount{Destination: "/etc", Type: "tmpfs", Source: "tmpfs", Options: []string{"tmpcopyup"}})
	}
	u.bundle("c", "cat /etc/name; stat -c %u:%g /etc/name; mount | grep -c ' on /etc '", copied).prints("box\n0:0\n1\n")
	needTools(t)
	u.bundle("d", "cat /etc/name; stat -c %u:%g /etc/name; mount | grep -c ' on /etc '", copied, many).prints("box\n0:0\n1\n")
	u.bundle("e", "true", copied, strangers).fails("tmpcopyup", "run", "e")
}

// TestRootOfAUserNamespaceRunsContainers: as engines do that need no root. Their config.json has no user namespace, or one more.
func TestRootOfAUserNamespaceRunsContainers(t *testing.T) {
	needTools(t)
	some := []string{fmt.Sprintf("--map-users=%d,1,%d", firstSub, subs-1), fmt.Sprintf("--map-groups=%d,1,%d", firstSub, subs-1)}
	for name, c := range map[string]struct {
		ids   []string
		flags []string // none: the mount namespace, and all that belongs to it, is another's
		lines int
	}{
		"an engine":                    {some, []string{"-m"}, 2},
		"a container":                  {some, []string{"-m", "-p", "-f", "--mount-proc", "-n"}, 2},
		"its own ID alone":             {nil, []string{"-m"}, 1},
		"no mounts of its own":         {some, nil, 2},
		"its own ID alone, no mounts ": {nil, nil, 1},
	} {
		t.Run(name, func(t *testing.T) {
			u := newUser(t)
			enter := append(append(append([]string{"unshare", "-U", "-r"}, c.ids...), c.flags...), "--")
			if _, errs, err := u.command("/", append(enter, "true")...); err != nil {
				t.Skipf("unshare(1): %v: %s", err, errs)
			}
			groups := func(s *specs.Spec) { // which may not be mapped
				for i := range s.Mounts {
					s.Mounts[i].Options = drop(s.Mounts[i].Options, "gid=5")
				}
			}
			const script = `echo $(id -u) $(wc -l </proc/self/uid_map); stat -c '%t:%T' /dev/null; touch /new && stat -c %u /new`
			u.prefix = enter
			if len(c.flags) > 0 {
				u.bundleOf(nil, "c", script, groups).prints(fmt.Sprintf("0 %d\n1:3\n0\n", c.lines))
			}
			u.bundle("d", script).prints("0 1\n1:3\n0\n")
			e := u.bundle("e", waits)
			// All in one: each command would be in a user namespace of its own.
			got, errs, err := u.command(e.dir, "sh", "-e", "-c", `
$0 run --detach e
while ! test -e rootfs/started; do sleep 0.01; done
$0 exec e cat /etc/name
$0 exec --tty=false e sh -c 'echo $(id -u) $(wc -l </proc/self/uid_map)'
$0 kill e KILL
while $0 state e | grep -q running; do sleep 0.01; done
$0 delete e
`, u.runtime)
			if want := "box\n0 1\n"; err != nil || got != want {
				t.Errorf("%q, %v, %s, want %q", got, err, errs, want)
			}
		})
	}
}

func drop(all []string, one string) []string {
	var kept []string
	for _, s := range all {
		if s != one {
			kept = append(kept, s)
		}
	}
	return kept
}

func TestUsersHaveTerminals(t *testing.T) {
	u := newUser(t)
	c := u.bundle("c", "tty; stat -c '%u:%a' /dev/console; test -c /dev/tty", func(s *specs.Spec) { s.Process.Terminal = true })
	// script(1) is the terminal that crisp-oci has.
	if _, err := exec.LookPath("script"); err != nil {
		t.Skip(err)
	}
	out, errs, err := u.command(c.dir, "script", "-qec", u.runtime+" run c", "/dev/null")
	if got := strings.ReplaceAll(out, "\r", ""); err != nil || !strings.Contains(got, "/dev/pts/0\n") || !strings.Contains(got, "0:620\n") {
		t.Errorf("%q, %v, %s", got, err, errs)
	}
}

func TestRecordsOfUsersAreTheirOwn(t *testing.T) {
	u := newUser(t)
	u.bundle("c", "true").prints("")
	st, err := os.Stat(u.path("run/crisp-oci"))
	u.must(err)
	if st.Mode().Perm() != 0o700 || st.Mode()&os.ModeSticky == 0 {
		t.Errorf("records in a directory with mode %v", st.Mode())
	}
}
