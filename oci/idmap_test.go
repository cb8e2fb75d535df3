// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"os"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

func mapping(host uint32) []specs.LinuxIDMapping {
	return []specs.LinuxIDMapping{{HostID: host, Size: 100}}
}

// TestMountsWithEqualMappingsShareAUserNamespace: one costs a process.
func TestMountsWithEqualMappingsShareAUserNamespace(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("makes user namespaces: needs root")
	}
	maps := idMaps{}
	defer maps.close()
	open := func(q *IDMap) *os.File {
		t.Helper()
		f, err := maps.namespace(q)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	first := open(&IDMap{UIDs: mapping(1000), GIDs: mapping(2000)})
	if again := open(&IDMap{UIDs: mapping(1000), GIDs: mapping(2000), Recursive: true}); again != first {
		t.Error("equal mappings have two user namespaces")
	}
	if other := open(&IDMap{UIDs: mapping(1000), GIDs: mapping(1000)}); other == first || len(maps) != 2 {
		t.Errorf("other mappings have the same user namespace, of %d", len(maps))
	}
}

func BenchmarkUserNamespaceForMappings(b *testing.B) {
	if os.Geteuid() != 0 {
		b.Skip("needs root")
	}
	q := &IDMap{UIDs: mapping(1000), GIDs: mapping(2000)}
	for b.Loop() {
		f, err := newUserNamespace(q, false)
		if err != nil {
			b.Fatal(err)
		}
		f.Close()
	}
}
