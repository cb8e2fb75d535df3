// SPDX-License-Identifier: Apache-2.0

package validate

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"crisp/oci"

	"github.com/opencontainers/runtime-spec/specs-go"
)

func said(all oci.Findings) []string {
	var lines []string
	for _, f := range all {
		lines = append(lines, f.Severity.String()+" "+f.Field+": "+f.Reason)
	}
	return lines
}

func TestDecodeFindsWhatTheTextSays(t *testing.T) {
	for _, c := range []struct {
		text string
		want []string
	}{
		{`{"ociVersion":"1.3.0"}`, nil},
		{`{`, []string{"error config.json: line 1, column 1: unexpected end of JSON input"}},
		{"{\n \"a\": x}", []string{"error config.json: line 2, column 7: invalid character 'x' looking for beginning of value"}},
		{`{"ociVersion":"1.3.0"} x`, []string{"error config.json: line 1, column 24: invalid character 'x' after top-level value"}},
		{`[]`, []string{"error config.json: an array, want an object"}},
		{`"x"`, []string{"error config.json: a string, want an object"}},
		{`{}`, []string{"error ociVersion: missing"}},
		{"{\"ociVersion\":\"\xff\"}", []string{"error config.json: not UTF-8"}},
		{`{"ociVersion":"1.3.0","proces":{"x":[{"y":1}]}}`, []string{`warning proces: unknown, ignored; did you mean "process"?`}},
		{`{"ociVersion":"1.3.0","zzzzzzzzzzzz":[[1],{}]}`, []string{"warning zzzzzzzzzzzz: unknown, ignored"}},
		{`{"ociVersion":"1.3.0","Hostname":"x"}`, []string{`warning Hostname: read as "hostname" by this runtime, unknown to others`}},
		{`{"ociVersion":"1.3.0","hostname":"x","hostname":"y"}`, []string{"warning hostname: given twice; the last one holds"}},
		{`{"ociVersion":"1.3.0","annotations":{"a":"1","a":"2"}}`, []string{`warning annotations["a"]: given twice; the last one holds`}},
		{`{"ociVersion":"1.3.0","annotations":{"a":1}}`, []string{`error annotations["a"]: a number, want a string`}},
		{`{"ociVersion":"1.3.0","root":"rootfs","hostname":5}`, []string{"error root: a string, want an object", "error hostname: a number, want a string"}},
		{`{"ociVersion":"1.3.0","mounts":{}}`, []string{"error mounts: an object, want an array"}},
		{`{"ociVersion":"1.3.0","mounts":[{"destination":"/a","options":"ro"},{}]}`,
			[]string{"error mounts[0].options: a string, want an array", "error mounts[1].destination: missing"}},
		{`{"ociVersion":"1.3.0","process":{"cwd":"/","user":{"uid":-1,"gid":1.5}}}`, []string{
			"error process.user.uid: -1: not an integer from 0 to 4294967295", "error process.user.gid: 1.5: not an integer from 0 to 4294967295"}},
		{`{"ociVersion":"1.3.0","process":{"cwd":"/"}}`, nil},
		{`{"ociVersion":"1.3.0","process":{"cwd":"/","user":{}}}`, []string{"error process.user.gid: missing", "error process.user.uid: missing"}},
		{`{"ociVersion":"1.3.0","process":{"cwd":null}}`, []string{"error process.cwd: missing"}},
		{`{"ociVersion":"1.3.0","linux":{"resources":{"memory":{"limit":"1G"}}}}`,
			[]string{"error linux.resources.memory.limit: a string, want a number"}},
		{`{"ociVersion":"1.3.0","linux":{"resources":{"memory":{"limit":1e30}}}}`,
			[]string{"error linux.resources.memory.limit: 1e30: not an integer from -9223372036854775808 to 9223372036854775807"}},
		{`{"ociVersion":"1.3.0","linux":{"resources":{"blockIO":{"weightDevice":[{"major":8,"weight":70000}]}}}}`, []string{
			"error linux.resources.blockIO.weightDevice[0].weight: 70000: not an integer from 0 to 65535",
			"error linux.resources.blockIO.weightDevice[0].minor: missing"}},
		{`{"ociVersion":"1.3.0","linux":{"devices":[{"path":"/dev/x","type":"p"}]}}`, nil},
		{`{"ociVersion":"1.3.0","linux":{"seccomp":{"syscalls":[{"action":"SCMP_ACT_ALLOW"}]}}}`,
			[]string{"error linux.seccomp.syscalls[0].names: missing", "error linux.seccomp.defaultAction: missing"}},
		{`{"ociVersion":"1.3.0","windows":{"layerFolders":["x"],"credentialSpec":{"any":[1]}}}`, nil},
		{`{"ociVersion":"1.3.0","windows":{"hyperv":5}}`, []string{"error windows.hyperv: a number, want an object"}},
	} {
		_, all := Decode([]byte(c.text))
		if got := said(all); !slices.Equal(got, c.want) {
			t.Errorf("%s:\ngot  %q\nwant %q", c.text, got, c.want)
		}
	}
}

func TestDecodeRefusesWhatIsTooLarge(t *testing.T) {
	spec, all := Decode(make([]byte, MaxConfig+1))
	if spec != nil || all.Errors() == nil {
		t.Errorf("got %v, %v", spec, all)
	}
}

func TestDecodeBoundsWhatItSays(t *testing.T) {
	_, all := Decode([]byte(`{"hooks":{"poststop":[` + strings.Repeat(`{"x":1},`, 5000) + `{}]}}`))
	if len(all) != maxFindings {
		t.Errorf("%d findings, want %d", len(all), maxFindings)
	}
}

// The configurations of the runtime spec's own schema tests: good ones are found to be good, bad ones bad.
func TestSchemaTestsOfTheRuntimeSpec(t *testing.T) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/opencontainers/runtime-spec").Output()
	dir := filepath.Join(strings.TrimSpace(string(out)), "schema/test/config")
	if _, statErr := os.Stat(dir); err != nil || statErr != nil {
		t.Skipf("the runtime spec's tests are not in the module cache: %v %v", err, statErr)
	}
	// What its schema cannot say.
	elsewhere := map[string]string{
		"minimal-for-start.json": "no linux object", "minimal.json": "no process", "spec-example.json": "seen by Check alone",
	}
	for _, good := range []bool{true, false} {
		files, err := filepath.Glob(filepath.Join(dir, map[bool]string{true: "good", false: "bad"}[good], "*.json"))
		if err != nil || len(files) == 0 {
			t.Fatal(files, err)
		}
		for _, file := range files {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			spec, all := Decode(b)
			if spec != nil && !good {
				all = append(all, oci.Check(spec)...)
			}
			if all.Errors() == nil != good && elsewhere[filepath.Base(file)] == "" {
				t.Errorf("%s: %q", file, said(all))
			}
		}
	}
}

// FuzzDecode: any text is judged without a panic; what has no error is read by encoding/json as well, and the other way round.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{
		`{}`, `[]`, `null`, `{"ociVersion":"1.3.0","process":{"user":{"uid":1,"gid":2},"cwd":"/","args":["a"]}}`,
		`{"linux":{"resources":{"rdma":{"x":{"hcaHandles":1}},"unified":{"a.b":"c"}}}}`, `{"a":{"b":[{"c":[]}]}}`,
		`{"HOSTNAME":1,"mounts":[{"options":[null,1]}]}`, "{\"a\xff\":1}", `{"windows":{"credentialSpec":[1,{"x":2}]}}`, `1e999`, `{"root":{},"root":[]}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		spec, all := Decode(b)
		if len(all) > maxFindings {
			t.Fatalf("%d findings", len(all))
		}
		var other *specs.Spec
		if err := json.Unmarshal(b, &other); err != nil && all.Errors() == nil {
			t.Fatalf("encoding/json refuses it, and nothing is said: %v", err)
		}
		r := Result{Spec: spec, Findings: all}
		if spec != nil {
			r.add(oci.Check(spec))
		}
		if err := r.WriteText(new(strings.Builder)); err != nil {
			t.Fatal(err)
		}
	})
}
