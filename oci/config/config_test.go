// SPDX-License-Identifier: Apache-2.0

package config

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	mobyseccomp "github.com/moby/profiles/seccomp"
	"github.com/opencontainers/runtime-spec/specs-go"
)

func TestDecoderIsFresh(t *testing.T) {
	fresh := filepath.Join(t.TempDir(), "decode.go")
	if out, err := exec.Command("go", "run", "./internal/gen", fresh).CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	want, err := os.ReadFile(fresh)
	if err != nil {
		t.Fatal(err)
	}
	have, err := os.ReadFile("decode_gen.go")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(have, want) {
		t.Error("decode_gen.go is stale: run go generate ./oci/config")
	}
}

// filled makes a value with something in every field, so that a field that is not read shows.
func filled(t reflect.Type) reflect.Value {
	v := reflect.New(t).Elem()
	switch t.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(t.Elem()))
		v.Elem().Set(filled(t.Elem()))
	case reflect.Struct:
		for _, f := range reflect.VisibleFields(t) {
			if !f.Anonymous && !foreignType(f.Type) {
				v.FieldByIndex(f.Index).Set(filled(f.Type))
			}
		}
	case reflect.Slice:
		v.Set(reflect.Append(v, filled(t.Elem()), filled(t.Elem())))
	case reflect.Map:
		v.Set(reflect.MakeMap(t))
		v.SetMapIndex(reflect.ValueOf("name ü").Convert(t.Key()), filled(t.Elem()))
	case reflect.String:
		v.SetString("te\"xt\n<ü>\\")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int32, reflect.Int64:
		v.SetInt(-1 << (t.Bits() - 1))
	case reflect.Uint, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(1<<t.Bits() - 1)
	}
	return v
}

func foreignType(t reflect.Type) bool {
	switch t {
	case reflect.TypeFor[*specs.Solaris](), reflect.TypeFor[*specs.Windows](), reflect.TypeFor[*specs.VM](), reflect.TypeFor[*specs.ZOS](),
		reflect.TypeFor[*specs.FreeBSD]():
		return true
	}
	return false
}

func marshal(t testing.TB, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestFastWayReadsEveryField: all fields of the types, at the ends of their ranges.
func TestFastWayReadsEveryField(t *testing.T) {
	full := filled(reflect.TypeFor[specs.Spec]()).Interface().(specs.Spec) //nolint:errcheck // it is
	raw := marshal(t, full)
	c := parse(raw)
	if c == nil {
		t.Fatalf("not taken: %s", raw)
	}
	c.Spec.Linux.Seccomp = parseSeccomp(c.Seccomp)
	if !reflect.DeepEqual(*c.Spec, full) {
		t.Errorf("%s\nis read as\n%s", raw, marshal(t, c.Spec))
	}
}

// texts are what the fast way has to take, or to leave, like encoding/json.
var texts = []string{
	`{}`, ` {"ociVersion" : "1.3.0" , "hostname":"a"} `, `null`, `{"process":null}`, `{"mounts":[]}`, `{"mounts":null}`, `{"mounts":[null]}`,
	`{"annotations":{}}`, `{"annotations":{"a":"1","a":null}}`, `{"annotations":{"\u0061":"\u00e9\n\/"}}`, `{"annotations":{null:"x"}}`,
	`{"hostname":"a","hostname":"b"}`, `{"HostName":"a"}`, `{"none":1}`, `{"hostname":1}`, `{"hostname":"\ud83d\ude00"}`, `{"hostname":"\ud83d"}`,
	"{\"hostname\":\"\xff\"}", "{\"hostname\":\"a\nb\"}", `{"hostname":"\x"}`, `{"hostname":"\u12"}`, `{"hostname":"a}`, `{"hostname":"a"`,
	`{"hostname":"a",}`, `{,"hostname":"a"}`, `{"hostname" "a"}`, `{"hostname":"a"]`, `{"mounts":[}`, `{"mounts":[{}}`, `{"mounts":[{},]}`,
	`{"mounts":{}}`, `{"hostname":"a"} x`, `[]`, ``, `nul`, `{"process":{"terminal":truex}}`, `{"process":{"terminal":true,"args":["a",null]}}`,
	`{"process":{"user":{"uid":4294967295}}}`, `{"process":{"user":{"uid":4294967296}}}`, `{"process":{"user":{"uid":-1}}}`,
	`{"process":{"user":{"uid":01}}}`, `{"process":{"user":{"uid":1.0}}}`, `{"process":{"user":{"uid":1e2}}}`, `{"process":{"user":{"uid":- 1}}}`,
	`{"process":{"oomScoreAdj":-0}}`, `{"process":{"oomScoreAdj":-1000}}`, `{"process":{"oomScoreAdj":9223372036854775808}}`,
	`{"process":{"oomScoreAdj":-9223372036854775808}}`, `{"process":{"oomScoreAdj":-9223372036854775809}}`, `{"process":{"oomScoreAdj":"1"}}`,
	`{"linux":{"seccomp":{"defaultAction":"SCMP_ACT_ALLOW","flags":[]}}}`, `{"linux":{"seccomp":null}}`, `{"linux":{"seccomp":{]}}`,
	`{"linux":{"seccomp":{"defaultAction":"}"},"cgroupsPath":"/a"}}`, `{"linux":{"seccomp":[]}}`, `{"linux":{"seccomp":1}}`, `{"linux":{"seccomp":}}`,
	`{"linux":{"seccomp":{"defaultAction":"a" "b"}}}`, `{"linux":{"seccomp":{},"seccomp":{}}}`, `{"linux":{"Seccomp":{}}}`, `{"linux":{"seccomp":[}]}}`,
	`{"linux":{"resources":{"blockIO":{"weightDevice":[{"major":8,"minor":0,"weight":500}]}}}}`, `{"windows":{"layerFolders":["a"]}}`,
}

func seeds(t testing.TB) [][]byte {
	t.Helper()
	var all [][]byte
	for _, s := range texts {
		all = append(all, []byte(s))
	}
	all = append(all, marshal(t, filled(reflect.TypeFor[specs.Spec]()).Interface()))
	plans, err := filepath.Glob("../testdata/plans/*.json")
	if err != nil || len(plans) == 0 {
		t.Fatalf("no configs: %v", err)
	}
	for _, p := range plans {
		b, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b)
	}
	return all
}

// compare holds Parse against encoding/json.
func compare(t *testing.T, raw []byte) {
	t.Helper()
	var want *specs.Spec
	wantErr := json.Unmarshal(raw, &want)
	c, err := Parse(bytes.Clone(raw))
	if err == nil && c.Seccomp != nil {
		c.Spec.Linux.Seccomp, err = c.ParseSeccomp(c.Seccomp)
	}
	if (err == nil) != (wantErr == nil) || err != nil && err.Error() != wantErr.Error() {
		t.Fatalf("%q: %v, want %v", raw, err, wantErr)
	}
	if err == nil && !reflect.DeepEqual(c.Spec, want) {
		t.Fatalf("%q is\n%s, want\n%s", raw, marshal(t, c.Spec), marshal(t, want))
	}
}

func TestParseIsEncodingJSON(t *testing.T) {
	for _, raw := range seeds(t) {
		compare(t, raw)
		for i := 0; i < len(raw) && i < 300; i++ { // cut anywhere
			compare(t, raw[:i])
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, raw := range seeds(f) {
		f.Add(raw)
	}
	f.Fuzz(compare)
}

// TestConfigsTakeTheFastWay: those that people have.
func TestConfigsTakeTheFastWay(t *testing.T) {
	plans, err := filepath.Glob("../testdata/plans/*.json")
	if err != nil || len(plans) == 0 {
		t.Fatalf("no configs: %v", err)
	}
	for _, p := range plans {
		raw, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		if parse(raw) == nil {
			t.Errorf("%s: not taken", p)
		}
	}
}

func TestProfileIsLeftOut(t *testing.T) {
	profile := marshal(t, defaultProfile(t))
	c, err := Parse([]byte(`{"linux":{"seccomp": ` + string(profile) + ` , "cgroupsPath":"/a"}}`))
	if err != nil || c.Spec.Linux.Seccomp != nil || c.Spec.Linux.CgroupsPath != "/a" || !bytes.Equal(c.Seccomp, profile) {
		t.Fatalf("%+v, %v", c, err)
	}
	p, err := c.ParseSeccomp(c.Seccomp)
	if err != nil || !reflect.DeepEqual(p, defaultProfile(t)) {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestProcessIsEncodingJSON(t *testing.T) {
	for _, s := range []string{`{"args":["a"],"cwd":"/"}`, `null`, `{"Args":["a"]}`, `{"args":1}`, ``, `{"args":["a"]} x`} {
		var want *specs.Process
		wantErr := json.Unmarshal([]byte(s), &want)
		got, err := ParseProcess([]byte(s))
		if (err == nil) != (wantErr == nil) || err != nil && err.Error() != wantErr.Error() || err == nil && !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %+v, %v, want %+v, %v", s, got, err, want, wantErr)
		}
	}
}

func TestDeepNestingIsRefused(t *testing.T) {
	compare(t, []byte(`{"linux":{"seccomp":`+strings.Repeat("[", 20000)+strings.Repeat("]", 20000)+`}}`))
	compare(t, []byte(`{"linux":{"seccomp":`+strings.Repeat("[", 500)+strings.Repeat("]", 500)+`}}`))
}

func defaultProfile(t testing.TB) *specs.LinuxSeccomp {
	t.Helper()
	p, err := mobyseccomp.GetDefaultProfile(&specs.Spec{Process: &specs.Process{Capabilities: &specs.LinuxCapabilities{}}})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func BenchmarkParse(b *testing.B) {
	raw, err := os.ReadFile("../testdata/plans/kubernetes.json")
	if err != nil {
		b.Fatal(err)
	}
	b.Run("fast", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if parse(raw) == nil {
				b.Fatal("not taken")
			}
		}
	})
	b.Run("slow", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := parseSlowly(raw); err != nil {
				b.Fatal(err)
			}
		}
	})
}
