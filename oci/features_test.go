// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"slices"
	"testing"
)

// TestFeaturesAreWhatTheCodeReads: whoever asks decides by it what to put into a config.json.
func TestFeaturesAreWhatTheCodeReads(t *testing.T) {
	f := Features()
	for _, o := range f.MountOptions {
		if !isMountOption(o) {
			t.Errorf("mount option %s is not read", o)
		}
	}
	for option := range mountFlags.keys() {
		if !slices.Contains(f.MountOptions, option) || !slices.Contains(f.MountOptions, "r"+option) {
			t.Errorf("mount option %s, or r%s, is not told", option, option)
		}
	}
	for _, want := range []string{"rro", "rbind", "idmap", "rslave", "nosymfollow", "tmpcopyup"} {
		if !slices.Contains(f.MountOptions, want) {
			t.Errorf("mount option %s is not told", want)
		}
	}
	if !slices.Contains(f.PotentiallyUnsafeConfigAnnotations, "org.systemd.property.") {
		t.Errorf("unsafe annotations: %q", f.PotentiallyUnsafeConfigAnnotations)
	}
	equal(t, "hooks", len(f.Hooks), 6)
	equal(t, "namespaces", len(f.Linux.Namespaces), 8)
	equal(t, "capabilities", len(f.Linux.Capabilities), len(capabilityBits()))
	equal(t, "actions", len(f.Linux.Seccomp.Actions), 9)
	equal(t, "operators", len(f.Linux.Seccomp.Operators), 7)
	if len(f.Linux.Seccomp.Archs) == 0 {
		t.Error("no architectures")
	}
	for _, flag := range f.Linux.Seccomp.SupportedFlags {
		if !slices.Contains(f.Linux.Seccomp.KnownFlags, flag) {
			t.Errorf("%s is supported but not known", flag)
		}
	}
	equal(t, "seccomp flags", len(f.Linux.Seccomp.KnownFlags), 4)
	if !slices.Contains(f.Linux.Seccomp.SupportedFlags, "SECCOMP_FILTER_FLAG_LOG") { // Linux 4.14
		t.Errorf("supported flags: %v", f.Linux.Seccomp.SupportedFlags)
	}
}
