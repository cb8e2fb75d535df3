// SPDX-License-Identifier: Apache-2.0

package operation

import (
	"errors"
	"log/slog"
	"os"
	"slices"
	"testing"

	"crisp/oci"
	"crisp/oci/config"
)

// TestKeptConfig: later commands see the config.json of the creation, with what was decided then and changed since.
func TestKeptConfig(t *testing.T) {
	text := `{"process":{"args":["a"],"env":["A=b"],"user":{"umask":18}},"linux":{"namespaces":[{"type":"pid"}],"intelRdt":{"closID":"old"}}}`
	c := &container{
		record: record{Cgroup: "/made/here", ListenFDs: 2, IntelRdt: `{"closID":"new"}`}, config: []byte(text),
	}
	k, err := c.kept()
	if err != nil {
		t.Fatal(err)
	}
	s := k.Spec
	if s.Linux.CgroupsPath != "/made/here" || s.Linux.IntelRdt.ClosID != "new" || len(s.Linux.Namespaces) != 1 || *s.Process.User.Umask != 18 {
		t.Errorf("%+v", s)
	}
	if want := []string{"A=b", "LISTEN_FDS=2", "LISTEN_PID=1"}; !slices.Equal(s.Process.Env, want) {
		t.Errorf("environment %q", s.Process.Env)
	}
	c.record, c.config = record{}, []byte(`{"process":{"env":["A=b"]}}`)
	if k, err = c.kept(); err != nil || k.Spec.Linux == nil || len(k.Spec.Process.Env) != 1 {
		t.Errorf("%+v, %v", k, err)
	}
}

func TestKeptConfigThatIsNone(t *testing.T) {
	for _, text := range []string{"", "null", "{", `{"linux":[]}`} {
		c := &container{config: []byte(text)}
		if k, err := c.kept(); err == nil {
			t.Errorf("%q: %+v", text, k)
		}
	}
}

// TestProgramsComeFromTheCache: the second time neither the profile is read nor compiled; and what was found wrong once is so again.
func TestProgramsComeFromTheCache(t *testing.T) {
	r := New(Config{Root: t.TempDir(), Log: slog.Default()})
	parse := func(profile string) *config.Config {
		c, err := config.Parse([]byte(`{"linux":{"seccomp":` + profile + `}}`))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	good := `{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":["read"],"action":"SCMP_ACT_ALLOW"}]}`
	first, err := r.program(parse(good))
	if err != nil || first == nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(r.path(seccompDir))
	if err != nil || len(entries) != 1 {
		t.Fatalf("%v, %v", entries, err)
	}
	c := parse(good)
	c.Raw = []byte("not read again")
	if again, err := r.program(c); err != nil || string(again.Bytes) != string(first.Bytes) {
		t.Errorf("the second time: %v", err)
	}
	for _, bad := range []string{
		`{"defaultAction":"SCMP_ACT_NONE"}`, `{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"action":"SCMP_ACT_ERRNO"}]}`,
		`{"defaultAction":"SCMP_ACT_ALLOW","defaultErrnoRet":1}`,
	} {
		for range 2 {
			if _, err := r.program(parse(bad)); !errors.Is(err, oci.ErrInvalid) {
				t.Errorf("%s: %v", bad, err)
			}
		}
	}
	if entries, err := os.ReadDir(r.path(seccompDir)); err != nil || len(entries) != 1 {
		t.Errorf("something wrong was kept: %v, %v", entries, err)
	}
	if p, err := r.program(parse("null")); p != nil || err != nil {
		t.Errorf("no profile: %v, %v", p, err)
	}
	if _, err := r.program(parse(`{"defaultAction":}`)); err == nil {
		t.Error("a profile that is not JSON went well")
	}
}
