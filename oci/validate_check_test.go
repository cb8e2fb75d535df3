// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"bufio"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// find returns what was found about a field.
func find(all Findings, field string) *FieldError {
	i := slices.IndexFunc(all, func(f *FieldError) bool { return f.Field == field })
	if i < 0 {
		return nil
	}
	return all[i]
}

func TestCheckFindsWhatIsNotAdvised(t *testing.T) {
	for _, c := range []struct{ patch, field string }{
		{`{"ociVersion": "1.99.0"}`, "ociVersion"},
		{`{"windows": {"layerFolders": []}}`, "windows"},
		{`{"process": {"commandLine": "x"}}`, "process.commandLine"},
		{`{"process": {"user": {"username": "x"}}}`, "process.user.username"},
		{`{"process": {"consoleSize": {"height": 2, "width": 2}}}`, "process.consoleSize"},
		{`{"process": {"env": ["A"]}}`, "process.env[0]"},
		{`{"process": {"env": ["=A"]}}`, "process.env[0]"},
		{`{"process": {"env": ["A=1", "B=1", "A=2"]}}`, "process.env[2]"},
		{`{"process": {"capabilities": {"bounding": ["CAP_CHWON"]}}}`, "process.capabilities.bounding[0]"},
		{`{"process": {"capabilities": {"inheritable": [], "ambient": ["CAP_CHOWN"]}}}`, "process.capabilities.ambient[0]"},
		{`{"process": {"scheduler": {"policy": "SCHED_RR", "priority": 1, "nice": 1}}}`, "process.scheduler.nice"},
		{`{"annotations": {"org.opencontainers.image.foo": "x"}}`, `annotations["org.opencontainers.image.foo"]`},
		{`{"annotations": {"foo": "x"}}`, `annotations["foo"]`},
		{`{"hooks": {"prestart": [{"path": "/x"}]}}`, "hooks.prestart"},
		{`{"mounts": [{"destination": "a", "type": "tmpfs"}]}`, "mounts[0].destination"},
		{`{"mounts": [{"destination": "/a", "type": "tmpfs", "options": ["ro", "rw"]}]}`, "mounts[0].options[1]"},
		{`{"mounts": [{"destination": "/a", "type": "tmpfs", "options": ["nosuid", "suid"]}]}`, "mounts[0].options[1]"},
		{`{"mounts": [{"destination": "/a", "type": "tmpfs", "options": ["ro", "ro"]}]}`, "mounts[0].options[1]"},
		{`{"mounts": [{"destination": "/a/b", "type": "tmpfs"}, {"destination": "/a", "type": "tmpfs"}]}`, "mounts[0]"},
		{`{"mounts": [{"destination": "/a", "type": "ext4", "source": "/x", "options": ["bind"]}]}`, "mounts[0].type"},
		{`{"linux": {"devices": [{"path": "/dev/x", "type": "c", "major": 1}, {"path": "/dev/y", "type": "c", "major": 1}]}}`, "linux.devices[1]"},
		{`{"linux": {"devices": [{"path": "/dev/x", "type": "c"}, {"path": "/dev//x", "type": "p"}]}}`, "linux.devices[1].path"},
		{`{"linux": {"resources": {"memory": {"kernel": 5}}}}`, "linux.resources.memory.kernel"},
		{`{"linux": {"resources": {"memory": {"limit": 5, "reservation": 6}}}}`, "linux.resources.memory.reservation"},
		{`{"linux": {"resources": {"cpu": {"shares": 1}}}}`, "linux.resources.cpu.shares"},
		{`{"linux": {"seccomp": {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["opne"], "action": "SCMP_ACT_KILL"}]}}}`,
			"linux.seccomp.syscalls[0].names[0]"},
		{`{"linux": {"intelRdt": {"l3CacheSchema": "0=f"}}}`, "linux.intelRdt.l3CacheSchema"},
	} {
		s := patched(t, c.patch)
		of := func(f *FieldError) bool {
			return f.Field == c.field && f.Severity == SeverityWarning && errors.Is(f, ErrAdvice)
		}
		if !slices.ContainsFunc(Check(s), of) {
			t.Errorf("%s: %v, want advice about the field %s", c.patch, Check(s), c.field)
		}
		if err := Validate(s); errors.Is(err, ErrInvalid) {
			t.Errorf("%s: Create would fail: %v", c.patch, err)
		}
	}
}

func TestCheckFindsWhatCreateFindsLater(t *testing.T) {
	for _, c := range []struct{ patch, field string }{
		{`{"root": null}`, "root"},
		{`{"root": {"path": ""}}`, "root.path"},
		{`{"mounts": [{"destination": "/a", "type": ""}]}`, "mounts[0].type"},
		{`{"mounts": [{"destination": "/a", "source": "", "options": ["rbind"]}]}`, "mounts[0].source"},
		{`{"process": {"capabilities": {"permitted": [], "effective": ["CAP_CHOWN"]}}}`, "process.capabilities.effective"},
		{`{"linux": {"seccomp": {"defaultAction": "SCMP_ACT_FOO"}}}`, "linux.seccomp.defaultAction"},
		{`{"linux": {"seccomp": {"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["X"]}}}`, "linux.seccomp.architectures[0]"},
		{`{"linux": {"seccomp": {"defaultAction": "SCMP_ACT_ALLOW", "flags": ["X"]}}}`, "linux.seccomp.flags[0]"},
		{`{"linux": {"seccomp": {"defaultAction": "SCMP_ACT_ALLOW", "syscalls":
			[{"names": ["read"], "action": "SCMP_ACT_KILL", "args": [{"index": 6, "op": "X"}]}]}}}`, "linux.seccomp.syscalls[0].args[0].index"},
		{`{"linux": {"seccomp": {"defaultAction": "SCMP_ACT_ALLOW", "syscalls":
			[{"names": ["read"], "action": "SCMP_ACT_KILL", "args": [{"index": 6, "op": "X"}]}]}}}`, "linux.seccomp.syscalls[0].args[0].op"},
		{`{"linux": {"seccomp": {"defaultAction": "SCMP_ACT_NOTIFY"}}}`, "linux.seccomp"},
	} {
		f := find(Check(patched(t, c.patch)), c.field)
		if f == nil || f.Severity != SeverityError || !errors.Is(f, ErrInvalid) {
			t.Errorf("%s: %v, want an error of the field %s", c.patch, Check(patched(t, c.patch)), c.field)
		}
	}
}

func TestCheckSaysNothingOfGoodSpecs(t *testing.T) {
	for _, name := range []string{"kubernetes", "pause", "restricted"} {
		for _, f := range Check(readSpec(t, name)) {
			t.Errorf("%s: %s: %v", name, f.Severity, f)
		}
	}
}

func TestCheckFindsEverythingAtOnce(t *testing.T) {
	all := Check(&specs.Spec{Version: "x", Process: &specs.Process{Cwd: "rel"}, Linux: &specs.Linux{MaskedPaths: []string{"a", "b"}}})
	for _, field := range []string{"ociVersion", "process.cwd", "process.args", "root", "linux.maskedPaths[0]", "linux.maskedPaths[1]"} {
		if find(all, field) == nil {
			t.Errorf("%v: nothing about %s", all, field)
		}
	}
}

func TestSectionIsOfTheLongestPrefix(t *testing.T) {
	for field, want := range map[string]string{
		"mounts[3].options[1]":           "config.md#linux-mount-options",
		"mounts[3]":                      "config.md#mounts",
		"process.user.additionalGids[2]": "config.md#posix-platform-user",
		`linux.sysctl["net.ipv4.x"]`:     "config-linux.md#sysctl",
		"linux.resources.memory.limit":   "config-linux.md#memory",
		"":                               "config.md#configuration",
		"unknown.field":                  "config.md#configuration",
		`annotations["a]b["]`:            "config.md#annotations",
	} {
		if got := (&FieldError{Field: field}).Section(); got != want {
			t.Errorf("%s: %s, want %s", field, got, want)
		}
	}
}

// Every section must be a heading of the runtime spec that go.mod names.
func TestSectionsExist(t *testing.T) {
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/opencontainers/runtime-spec").Output()
	root := strings.TrimSpace(string(dir))
	if _, statErr := os.Stat(filepath.Join(root, "config.md")); err != nil || root == "" || statErr != nil {
		t.Skipf("the text of the runtime spec is not in the module cache: %v %v", err, statErr)
	}
	headings := map[string]bool{}
	for _, file := range []string{"config.md", "config-linux.md"} {
		f, err := os.Open(filepath.Join(root, file))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for lines := bufio.NewScanner(f); lines.Scan(); {
			if strings.HasPrefix(lines.Text(), "#") {
				headings[file+"#"+anchor(lines.Text())] = true
			}
		}
	}
	for _, field := range slices.Sorted(sections.keys()) {
		if !headings[sections.get(field)] {
			t.Errorf("%s: the runtime spec has no %s", field, sections.get(field))
		}
	}
}

// anchor makes of a heading what it is linked by.
func anchor(heading string) string {
	text := regexp.MustCompile(`<[^>]*>`).ReplaceAllString(strings.TrimLeft(heading, "#"), "")
	text = strings.ToLower(strings.TrimSpace(text))
	text = regexp.MustCompile(`[^a-z0-9 _-]`).ReplaceAllString(text, "")
	return strings.ReplaceAll(text, " ", "-")
}

func TestWords(t *testing.T) {
	for word, want := range map[string]bool{
		"1.3.0": true, "1.0.2-dev": true, "1.0.0-rc.1+build.01": true, "10.20.30": true, "1.0.0--": true, "1.0.0-0a": true,
		"": false, "1": false, "1.2": false, "1.2.3.4": false, "01.2.3": false, "1.2.3-": false, "1.2.3+": false, "1.2.3-01": false, "1.2.3-a..b": false,
		"v1.2.3": false, "1.2.x": false, "1234567890.0.0": false, "1.2.3-ä": false,
	} {
		if _, _, got := parseVersion(word); got != want {
			t.Errorf("parseVersion(%q): %v", word, got)
		}
	}
	for word, want := range map[string]bool{
		"com.example.key": true, "io.kubernetes.cri-o.TTY": true, "run.oci.mount_context_type": true, "com.example/a": true,
		"key": false, "": false, ".a": false, "a.": false, "a..b": false, "1a.b": false, "a b.c": false,
	} {
		if got := reverseDomain(word); got != want {
			t.Errorf("reverseDomain(%q): %v", word, got)
		}
	}
	for word, want := range map[string]bool{"2MB": true, "64KB": true, "1GB": true, "": false, "B": false, "MB": false, "2M": false, "02MB": false, "0MB": false, "2TB": false} {
		if got := hugepageSize(word); got != want {
			t.Errorf("hugepageSize(%q): %v", word, got)
		}
	}
}

func TestNearest(t *testing.T) {
	words := []string{"hostname", "domainname", "mounts", "process", "CAP_CHOWN"}
	for word, want := range map[string]string{
		"hostnam": "hostname", "HostName": "hostname", "mount": "mounts", "porcess": "process", "CAP_CHWON": "CAP_CHOWN",
		"xyz": "", "": "", strings.Repeat("a", 100): "",
	} {
		if got, _ := Nearest(word, slices.Values(words)); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", word, got, want)
		}
	}
}

// FuzzValidate: whatever a config.json says, it is judged without a panic, and Check finds no less than Validate.
func FuzzValidate(f *testing.F) {
	for _, name := range []string{"kubernetes", "privileged", "userns", "terminal", "pause"} {
		b, err := os.ReadFile("testdata/plans/" + name + ".json")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte(`{"linux":{"sysctl":{"net/../x":"1"},"resources":{"unified":{"a":"b"},"rdma":{"":{}}},"seccomp":{"syscalls":[{"args":[{"index":9}]}]}}}`))
	f.Add([]byte(`{"hooks":{"poststop":[{}]},"annotations":{"":"","]":""},"mounts":[{"options":["","no","nono"]}]}`))
	f.Add([]byte(`{"linux":{"netDevices":{"%d":{"name":"%d"}},"memoryPolicy":{"nodes":"-"},"intelRdt":{"closID":"/"},"personality":{}}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var spec specs.Spec
		if json.Unmarshal(b, &spec) != nil {
			return
		}
		all := Check(&spec)
		if Validate(&spec) != nil && all.Errors() == nil {
			t.Fatalf("Validate refuses what Check does not: %v", Validate(&spec))
		}
		for _, e := range all {
			if e.Reason == "" || e.Err == nil || e.Section() == "" {
				t.Fatalf("not a finding: %#v", e)
			}
		}
	})
}
