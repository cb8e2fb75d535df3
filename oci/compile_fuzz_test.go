// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// FuzzCompile: whatever config.json says, there is an error or a plan that can be encoded.
func FuzzCompile(f *testing.F) {
	seeds, err := filepath.Glob("testdata/plans/*.json")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range seeds {
		b, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var s specs.Spec
		if json.Unmarshal(b, &s) != nil {
			return
		}
		for _, h := range []Host{hostV1(), hostV2()} {
			c, err := Compile(&s, CompileOptions{ID: "c1", Bundle: "/b", CgroupPath: "/x", Host: h})
			if err != nil {
				continue
			}
			if _, err := c.Plan.Encode(); err != nil {
				t.Errorf("encode: %v", err)
			}
			if _, err := CompileExec(&s, s.Process, CompileOptions{ID: "c1", CgroupPath: "/x", Host: h}); err != nil {
				t.Errorf("exec of what can be created: %v", err)
			}
		}
	})
}
