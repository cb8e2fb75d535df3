// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"os"
	"strings"
	"testing"
)

// TestExecHasTheKeyringOfItsContainer: a key that one process of a container adds, others find.
func TestExecHasTheKeyringOfItsContainer(t *testing.T) {
	if _, err := os.Stat("/proc/keys"); err != nil {
		t.Skip("no keyrings on this kernel: ", err)
	}
	b := newBench(t)
	for _, userns := range []bool{false, true} {
		for _, uid := range []uint32{0, 1000} {
			s := b.spec("keyring", "wait")
			s.Process.User.UID = uid
			if userns {
				b.inUserNamespace(s)
			}
			k := b.create(s)
			k.start()
			b.poll("the keyring", func() bool { return strings.Contains(k.output(), "ready") })
			own, _, _ := strings.Cut(k.output(), "\n")
			if out, x := k.exec(s.Process, "keyring"); x.Code != 0 || strings.TrimSpace(out) != own || !strings.HasSuffix(own, "<nil>") {
				t.Errorf("user %d, user namespace %v: the container has %q, an exec has %q (exit %d)", uid, userns, own, out, x.Code)
			}
		}
	}
}
