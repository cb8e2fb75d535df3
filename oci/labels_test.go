// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"errors"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestAppArmorProfilesAreApplied(t *testing.T) {
	b := newBench(t)
	if !b.runtime.host.AppArmor {
		t.Skip("AppArmor is off")
	}
	s := b.spec("wait")
	s.Process.ApparmorProfile = "unconfined"
	k := b.running(s)
	if out, x := k.exec(s.Process, "facts", "/proc/self/attr/apparmor/current"); x.Code != 0 ||
		strings.TrimSpace(readFacts(t, out).Paths["/proc/self/attr/apparmor/current"].Content) != "unconfined" {
		t.Errorf("exit %+v: %s", x, out)
	}
	s = b.spec("wait")
	s.Process.ApparmorProfile = "crisp-nonexistent"
	_, err := b.tryCreate(s)
	if !errors.Is(err, unix.ENOENT) || !strings.HasPrefix(err.Error(), "set the AppArmor profile crisp-nonexistent: ") {
		t.Errorf("a profile that is not loaded: %v", err)
	}
}
