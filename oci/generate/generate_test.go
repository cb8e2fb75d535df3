// SPDX-License-Identifier: Apache-2.0

package generate

import (
	"encoding/json"
	"strings"
	"testing"

	"crisp/oci"
)

func TestDefaultsAreValid(t *testing.T) {
	for _, unified := range []bool{false, true} {
		s := Default(unified)
		if all := oci.Check(s); len(all) != 0 {
			t.Errorf("%v", all)
		}
		Rootless(s)
		if all := oci.Check(s); len(all) != 0 {
			t.Errorf("rootless: %v", all)
		}
	}
}

func TestSettings(t *testing.T) {
	for _, c := range []struct {
		given []Given
		want  string // in the compact JSON
	}{
		{[]Given{{"args", "/bin/app"}, {"args", "-v"}}, `"args":["/bin/app","-v"]`},
		{[]Given{{"env", "TERM=dumb"}}, `"TERM=dumb"]`},
		{[]Given{{"tty", "false"}, {"user", "5:6"}, {"groups", "7,8"}, {"umask", "027"}}, `"user":{"uid":5,"gid":6,"umask":23,"additionalGids":[7,8]}`},
		{[]Given{{"cap-drop", "ALL"}, {"cap-add", "kill"}}, `"capabilities":{"bounding":["CAP_KILL"],"effective":["CAP_KILL"],"permitted":["CAP_KILL"]}`},
		{[]Given{{"rlimit", "nofile=5:6"}}, `"rlimits":[{"type":"RLIMIT_NOFILE","hard":6,"soft":5}]`},
		{[]Given{{"rlimit", "RLIMIT_NOFILE:6:5"}}, `"rlimits":[{"type":"RLIMIT_NOFILE","hard":6,"soft":5}]`},
		{[]Given{{"mounts", "/srv:/data:bind:rbind,ro"}}, `{"destination":"/data","type":"bind","source":"/srv","options":["rbind","ro"]}`},
		{[]Given{{"mounts", "tmpfs:/dev:tmpfs"}}, `{"destination":"/dev","type":"tmpfs","source":"tmpfs"}`},
		{[]Given{{"limits", "memory=64m,swap=-1,pids=100,cpuset=0-3+7"}}, `"memory":{"limit":67108864,"swap":-1},"cpu":{"cpus":"0-3,7"},"pids":{"limit":100}`},
		{[]Given{{"hugepage", "2MB:4m"}, {"blkio-weight", "20"}}, `"blockIO":{"weight":20},"hugepageLimits":[{"pageSize":"2MB","limit":4194304}]`},
		{[]Given{{"uidmap", "0:1000:5"}, {"linux-gidmappings", "1000:0:5"}},
			`"uidMappings":[{"containerID":0,"hostID":1000,"size":5}],"gidMappings":[{"containerID":0,"hostID":1000,"size":5}]`},
		{[]Given{{"device", "c:10:229:/dev/fuse"}}, `"devices":[{"path":"/dev/fuse","type":"c","major":10,"minor":229}]`},
		{[]Given{{"device", "/dev/null:/dev/nil:r"}}, `{"allow":true,"type":"c","major":1,"minor":3,"access":"r"}`},
		{[]Given{{"sysctl", "net.ipv4.ip_forward=1"}, {"label", "a.b=c"}}, `"sysctl":{"net.ipv4.ip_forward":"1"}`},
		{[]Given{{"hook", "poststop:/bin/x:a:b"}}, `"poststop":[{"path":"/bin/x","args":["x","a","b"]}]`},
		{[]Given{{"masked-path", "none"}, {"masked-path", "/x"}}, `"maskedPaths":["/x"]`},
		{[]Given{{"namespace-add", "net:/run/netns/a"}}, `{"type":"network","path":"/run/netns/a"}`},
		{[]Given{{"namespace-remove", "uts"}, {"domainname", "d"}}, `"domainname":"d"`},
		{[]Given{{"seccomp", "default"}}, `"defaultAction":"SCMP_ACT_ERRNO"`},
		{[]Given{{"privileged", "true"}}, `"CAP_SYS_ADMIN"`},
	} {
		s := Default(false)
		if err := Apply(s, c.given); err != nil {
			t.Errorf("%v: %v", c.given, err)
			continue
		}
		if err := oci.Check(s).Errors(); err != nil {
			t.Errorf("%v: %v", c.given, err)
		}
		b, err := json.Marshal(s)
		if err != nil || !strings.Contains(string(b), c.want) {
			t.Errorf("%v: %v, want %s in %s", c.given, err, c.want, b)
		}
	}
}

func TestWrongValuesAreRefused(t *testing.T) {
	for _, g := range []Given{
		{"nosuch", ""}, {"uid", "-1"}, {"uid", "4294967296"}, {"user", "root"}, {"env", "X"}, {"umask", "888"}, {"rlimit", "x"}, {"mounts", "a"},
		{"mounts", "a:b"}, {"mounts-remove", "/none"}, {"memory", "1x"}, {"memory", "-1g"}, {"memory", "99999999999g"}, {"limits", "x=1"},
		{"limits", "memory"}, {"cap-add", "CAP_X"}, {"namespace-add", "x"}, {"namespace-add", "pid:rel"}, {"uidmap", "1:2"}, {"device", "null"},
		{"device", "/etc"}, {"seccomp", "/no/such"}, {"hook", "x:/y"}, {"hook", "poststop:rel"}, {"tty", "maybe"}, {"console-size", "5"},
	} {
		if err := Apply(Default(false), []Given{g}); err == nil {
			t.Errorf("%v is accepted", g)
		}
	}
}

func TestNoNameIsUsedTwice(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range Settings() {
		for _, n := range s.Names {
			if seen[n] {
				t.Errorf("%s is used twice", n)
			}
			seen[n] = true
		}
	}
}
