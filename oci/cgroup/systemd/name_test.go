// SPDX-License-Identifier: Apache-2.0

package systemd

import (
	"errors"
	"strings"
	"testing"

	library "github.com/opencontainers/cgroups/systemd"
)

func TestNames(t *testing.T) {
	for in, want := range map[string]string{
		"system.slice:crisp:ab12":                  "/system.slice/crisp-ab12.scope",
		":crisp:ab12":                              "/system.slice/crisp-ab12.scope",
		"kubepods-burstable-pod1_2.slice:cri:x":    "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1_2.slice/cri-x.scope",
		"-.slice:crisp:x":                          "/crisp-x.scope",
		`machine.slice:libpod:a\x2db`:              `/machine.slice/libpod-a\x2db.scope`,
		"a.slice:libpod:conmon-1@2.3":              "/a.slice/libpod-conmon-1@2.3.scope",
		"a.slice:crisp:" + strings.Repeat("x", 64): "/a.slice/crisp-" + strings.Repeat("x", 64) + ".scope",
	} {
		u, err := parsePath(in, "system.slice")
		if err != nil || u.Directory != want {
			t.Errorf("%s: %s, %v", in, u.Directory, err)
		}
	}
	for _, in := range []string{
		"", "/a/b", "a:b", "a.slice:b:c:d", "a.slice:crisp:", "a.slice:crisp:x y", "a.slice:crisp:x/y", "a.slice:crisp:x\ny", "a.slice:crisp:ä",
		"a.slice:crisp:b.slice", "a--b.slice:crisp:x", "-a.slice:crisp:x", "a-.slice:crisp:x", ".slice:crisp:x", "a.service:crisp:x", "../a.slice:crisp:x",
		"a.slice:..:x/../../y", "a.slice:.:x", "a.slice:crisp:" + strings.Repeat("x", 256),
	} {
		if u, err := parsePath(in, "system.slice"); !errors.Is(err, ErrPath) {
			t.Errorf("%q: %+v, %v", in, u, err)
		}
	}
}

// FuzzNames: a slice is where the library says it is, and no name leads out of its slice.
func FuzzNames(f *testing.F) {
	for _, s := range []string{"-.slice", "a.slice", "a-b.slice", "a-b-c.slice", "--.slice", "a-.slice", "-a.slice", ".slice", "a/b.slice", "a", "..slice", "a.b-c.slice"} {
		f.Add(s, "crisp", "x")
	}
	f.Add("a.slice", "../..", "x")
	f.Fuzz(func(t *testing.T, slice, prefix, name string) {
		got, err := ExpandSlice(slice)
		want, libraryErr := library.ExpandSlice(slice)
		if err == nil && (libraryErr != nil || got != want) {
			t.Errorf("%q: %s, the library says %s, %v", slice, got, want, libraryErr)
		}
		u, err := parsePath(slice+":"+prefix+":"+name, "system.slice")
		if err == nil && (strings.Contains(u.Name, "/") || strings.Contains(u.Directory, "..") && strings.Contains(u.Directory, "/../")) {
			t.Errorf("%+v", u)
		}
	})
}
