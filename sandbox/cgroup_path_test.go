// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"errors"
	"testing"
)

func TestCgroupPaths(t *testing.T) {
	const slice = "kubepods-burstable-pod1_2.slice"
	const dir = "/kubepods.slice/kubepods-burstable.slice/" + slice
	for _, test := range []struct {
		systemd                    bool
		parent, pod, sibling, back string
	}{
		{false, "/kubepods/pod1", "/kubepods/pod1/crisp-p", "/kubepods/pod1/crisp-c", "/kubepods/pod1"},
		{false, "kubepods/pod1", "/kubepods/pod1/crisp-p", "/kubepods/pod1/crisp-c", "/kubepods/pod1"},
		{false, dir, dir + "/crisp-p", dir + "/crisp-c", dir}, // a kubelet with systemd's names is served too
		{true, dir, slice + ":crisp:p", slice + ":crisp:c", dir},
		{true, slice, slice + ":crisp:p", slice + ":crisp:c", dir},
		{true, "/crisp.slice", "crisp.slice:crisp:p", "crisp.slice:crisp:c", "/crisp.slice"},
	} {
		d := Defaults{Systemd: test.systemd}
		if err := d.checkParent(test.parent); err != nil {
			t.Error(err)
		}
		pod := d.cgroupPath(test.parent, "p")
		if pod != test.pod || siblingPath(pod, "c") != test.sibling || parentPath(pod) != test.back {
			t.Errorf("%+v: %s, %s, %s", test, pod, siblingPath(pod, "c"), parentPath(pod))
		}
	}
	d := Defaults{Systemd: true}
	for _, parent := range []string{"/kubepods/pod1", "/", "a", "/a.slice/a--b.slice", "/.slice", "/a.slice/x y.slice"} {
		if err := d.checkParent(parent); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", parent, err)
		}
	}
}
