// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"os"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

func TestWorkloadMayReopenItsOutput(t *testing.T) {
	b := newBench(t)
	for _, userns := range []bool{false, true} {
		for _, uid := range []uint32{0, 1000} {
			s := b.spec("reopen")
			s.Process.User.UID = uid
			if userns {
				b.inUserNamespace(s)
			}
			k := b.create(s)
			if x := k.run(); x.Code != 0 || k.output() != "reopened\n" {
				t.Errorf("user %d, user namespace %v: exit %d, %q", uid, userns, x.Code, k.output())
			}
			s = b.spec("wait")
			s.Process.User.UID = uid
			if userns {
				b.inUserNamespace(s)
			}
			k = b.running(s)
			if out, x := k.exec(s.Process, "reopen"); x.Code != 0 || out != "reopened\n" {
				t.Errorf("exec as user %d, user namespace %v: exit %d, %q", uid, userns, x.Code, out)
			}
		}
	}
}

// TestNullDeviceOfTheHostKeepsItsOwner: it is the stdin of workloads that have none, where the container has no /dev/null of its own.
func TestNullDeviceOfTheHostKeepsItsOwner(t *testing.T) {
	b := newBench(t)
	owner := func() [2]uint32 {
		t.Helper()
		var st unix.Stat_t
		if err := unix.Stat("/dev/null", &st); err != nil {
			t.Fatal(err)
		}
		return [2]uint32{st.Uid, st.Gid}
	}
	before := owner()
	t.Cleanup(func() {
		if now := owner(); now != before { // nobody else is to suffer
			t.Errorf("the host's /dev/null belonged to %v at the end; given back: %v", now, os.Chown("/dev/null", int(before[0]), int(before[1])))
		}
	})
	for _, userns := range []bool{false, true} {
		for _, covered := range []bool{false, true} {
			make := func(args ...string) *specs.Spec {
				s := b.spec(args...)
				s.Process.User.UID, s.Process.User.GID = 1000, 1000
				if userns {
					b.inUserNamespace(s)
				}
				if covered {
					s.Mounts = append(s.Mounts, specs.Mount{Destination: "/dev/null", Type: "bind", Source: "/dev/zero", Options: []string{"bind"}})
				}
				return s
			}
			b.create(make("exit", "0")).run()
			k := b.running(make("wait"))
			k.exec(make().Process, "exit", "0")
			if now := owner(); now != before {
				t.Errorf("user namespace %v, another /dev/null %v: the host's belongs to %v", userns, covered, now)
			}
		}
	}
}
