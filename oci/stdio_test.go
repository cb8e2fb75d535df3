// SPDX-License-Identifier: Apache-2.0

package oci

import "testing"

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
