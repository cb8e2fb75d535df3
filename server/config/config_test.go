// SPDX-License-Identifier: Apache-2.0

package config

import (
	"bytes"
	"flag"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// load runs Flags.Load over a scratch crisp.toml and its drop-ins.
func load(t *testing.T, main string, dropIns map[string]string, args ...string) (Config, error) {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "crisp.toml")
	write(t, path, main)
	for name, text := range dropIns {
		write(t, filepath.Join(dir, "crisp.d", name), text)
	}
	fs := flag.NewFlagSet("test", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	var f Flags
	f.Register(fs)
	if err := fs.Parse(append([]string{"--config", path}, args...)); err != nil {
		t.Fatal(err)
	}
	return f.Load()
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestDefaultsAreValid(t *testing.T) {
	c := Default()
	c.resolve()
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	if c.Server.Listen != "/run/crisp/crisp.sock" {
		t.Errorf("listen %q", c.Server.Listen)
	}
}

func TestTheCgroupParentFollowsTheDriver(t *testing.T) {
	for _, test := range []struct{ text, driver, parent string }{
		{"", "cgroupfs", "/crisp"},
		{"[runtime]\ncgroup_driver = \"systemd\"", "systemd", "/crisp.slice"},
		{"[runtime]\ncgroup_driver = \"systemd\"\ncgroup_parent = \"/a.slice/a-b.slice\"", "systemd", "/a.slice/a-b.slice"},
		{"[runtime]\ncgroup_parent = \"/a\"", "cgroupfs", "/a"},
	} {
		c, err := load(t, test.text, nil)
		if err != nil || c.Runtime.CgroupDriver != test.driver || c.Runtime.CgroupParent != test.parent {
			t.Errorf("%q: %+v, %v", test.text, c.Runtime, err)
		}
	}
	c, err := load(t, "", nil, "--cgroup-driver", "systemd")
	if err != nil || c.Runtime.CgroupDriver != Systemd {
		t.Errorf("%+v, %v", c.Runtime, err)
	}
}

func TestLaterSourcesReplaceSingleKeys(t *testing.T) {
	c, err := load(t, "root = \"/a\"\n[network]\ncni_bin_dirs = [\"/x\", \"/y\"]\n[log]\nlevel = \"debug\"\n",
		map[string]string{
			"20-b.toml":    "[log]\nlevel = \"error\"\n",
			"10-a.toml":    "[log]\nlevel = \"warn\"\nformat = \"json\"\n[network]\ncni_bin_dirs = [\"/z\"]\n",
			".20-c.toml":   "this is not TOML",
			"30-d.toml.in": "this is not TOML",
		},
		"--state", "/b", "--cni-conf-dir", "/c")
	if err != nil {
		t.Fatal(err)
	}
	if c.Root != "/a" || c.State != "/b" || c.Network.CNIConfDir != "/c" {
		t.Errorf("paths %q %q %q", c.Root, c.State, c.Network.CNIConfDir)
	}
	if c.Server.Listen != "/b/crisp.sock" {
		t.Errorf("listen %q does not follow state", c.Server.Listen)
	}
	if c.Log != (Log{Level: "error", Format: "json"}) {
		t.Errorf("log %+v", c.Log)
	}
	if !reflect.DeepEqual(c.Network.CNIBinDirs, []string{"/z"}) {
		t.Errorf("an array is not replaced as a whole: %q", c.Network.CNIBinDirs)
	}
	if c.Network.Bridge.Name != "crisp0" {
		t.Errorf("a table lost its other keys: %+v", c.Network.Bridge)
	}
}

func TestRepeatedListFlagReplacesThenAdds(t *testing.T) {
	c, err := load(t, "", nil, "--cni-bin-dir", "/one", "--cni-bin-dir", "/two")
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"/one", "/two"}; !reflect.DeepEqual(c.Network.CNIBinDirs, want) {
		t.Errorf("%q, want %q", c.Network.CNIBinDirs, want)
	}
}

func TestNamedFileMustExist(t *testing.T) {
	fs := flag.NewFlagSet("test", flag.ContinueOnError)
	var f Flags
	f.Register(fs)
	if err := fs.Parse([]string{"--config", filepath.Join(t.TempDir(), "none.toml")}); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Load(); err == nil {
		t.Error("no error for a file that is not there")
	}
}

func TestErrorsNameFileLineColumnAndKey(t *testing.T) {
	for _, test := range []struct{ name, text, want string }{
		{"unknown key", "root = \"/a\"\n[server]\nstream_adress = \"x\"\n", "crisp.toml:3:1: server.stream_adress: unknown key"},
		{"unknown table", "[servers]\nlisten = \"/x\"\n", "crisp.toml:1:2: servers: unknown key"},
		{"unknown nested key", "[network.bridge]\nmtus = 9000\n", "crisp.toml:2:1: network.bridge.mtus: unknown key"},
		{"wrong type", "[image]\nmax_downloads = \"many\"\n", "crisp.toml:2:17: image.max_downloads: "},
		{"bad duration", "[server]\nstream_idle_timeout = \"soon\"\n", "crisp.toml:2:23: server.stream_idle_timeout: "},
		{"syntax", "[log\n", "crisp.toml:1:5: "},
		{"twice", "root = \"/a\"\nroot = \"/b\"\n", "crisp.toml:2:1: root: "},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := load(t, test.text, nil)
			if err == nil {
				t.Fatal("no error")
			}
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("%q does not contain %q", err, test.want)
			}
		})
	}
}

func TestAllUnknownKeysAreNamed(t *testing.T) {
	_, err := load(t, "a = 1\nb = 2\n", nil)
	if err == nil || !strings.Contains(err.Error(), ":1:1: a:") || !strings.Contains(err.Error(), ":2:1: b:") {
		t.Errorf("%v", err)
	}
}

func TestValidationNamesTheKey(t *testing.T) {
	for _, test := range []struct{ text, key string }{
		{"root = \"relative\"", "root"},
		{"root = \"/a/../b\"", "root"},
		{"root = \"/run/crisp\"", "state"},
		{"[server]\nlisten = \"/" + strings.Repeat("x", 107) + "\"", "server.listen"},
		{"[server]\nmax_message_size = 1", "server.max_message_size"},
		{"[server]\nstream_address = \"localhost:0\"", "server.stream_address"},
		{"[server]\nstream_address = \"127.0.0.1:65536\"", "server.stream_address"},
		{"[server]\nstream_address = \"127.0.0.1\"", "server.stream_address"},
		{"[server]\nstream_idle_timeout = \"-1s\"", "server.stream_idle_timeout"},
		{"[runtime]\ncgroup_parent = \"/system.slice\"", "runtime.cgroup_parent"},
		{"[runtime]\ncgroup_driver = \"systemd\"\ncgroup_parent = \"/crisp\"", "runtime.cgroup_parent"},
		{"[runtime]\ncgroup_driver = \"systemd\"\ncgroup_parent = \"/a--b.slice\"", "runtime.cgroup_parent"},
		{"[runtime]\ncgroup_driver = \"\"", "runtime.cgroup_driver"},
		{"[runtime]\ncgroup_driver = \"SystemD\"", "runtime.cgroup_driver"},
		{"[image]\nmax_downloads = 0", "image.max_downloads"},
		{"[network]\ncni_bin_dirs = [\"/a\", \"b\"]", "network.cni_bin_dirs[1]"},
		{"[network.bridge]\nname = \"sixteen-bytes-xx\"", "network.bridge.name"},
		{"[network.bridge]\nipv4 = \"10.0.0.1/8\"", "network.bridge.ipv4"},
		{"[network.bridge]\nipv4 = \"fd00::/64\"", "network.bridge.ipv4"},
		{"[network.bridge]\nipv4 = \"10.0.0.0/30\"", "network.bridge.ipv4"},
		{"[network.bridge]\nipv4 = \"\"", "network.bridge.ipv4"},
		{"[network.bridge]\nmtu = 1279", "network.bridge.mtu"},
		{"[log]\nlevel = \"loud\"", "log.level"},
		{"[log]\nformat = \"xml\"", "log.format"},
	} {
		_, err := load(t, test.text, nil)
		if err == nil || !strings.Contains("\n"+err.Error(), "\n"+test.key+": ") {
			t.Errorf("%s: error %v does not name %s", test.text, err, test.key)
		}
	}
}

func TestMergeLeavesConfigAloneOnError(t *testing.T) {
	c := Default()
	if err := c.Merge("x", []byte("root = \"/changed\"\n[network]\ncni_bin_dirs = [\"/changed\"]\nbad = 1\n")); err == nil {
		t.Fatal("no error")
	}
	if want := Default(); !reflect.DeepEqual(c, want) {
		t.Errorf("%+v, want %+v", c, want)
	}
}

func TestEncodeReadsBack(t *testing.T) {
	c := Default()
	c.resolve()
	c.Server.StreamIdleTimeout = Duration(90 * time.Second)
	text, err := c.Encode()
	if err != nil {
		t.Fatal(err)
	}
	var back Config
	if err := back.Merge("encoded", text); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	if !reflect.DeepEqual(back, c) {
		t.Errorf("%+v became %+v", c, back)
	}
}

// The sample shows each key with its default, commented. Uncommented it must be the defaults, and nothing may be missing.
func TestSampleShowsEveryDefault(t *testing.T) {
	data, err := os.ReadFile("../../contrib/crisp.toml")
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, "#"); ok && !strings.HasPrefix(rest, " ") {
			line = rest
		}
		b.WriteString(line)
	}
	var got Config
	if err := got.Merge("crisp.toml", b.Bytes()); err != nil {
		t.Fatal(err)
	}
	if want := Default(); !reflect.DeepEqual(got, want) {
		t.Errorf("sample\n%+v\ndefaults\n%+v", got, want)
	}
	untouched := Default()
	if err := untouched.Merge("crisp.toml", data); err != nil || !reflect.DeepEqual(untouched, Default()) {
		t.Errorf("the sample as it stands changes something: %v", err)
	}
}

func FuzzMerge(f *testing.F) {
	def := Default()
	text, err := def.Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte("[server]\nlisten = 1"))
	f.Add([]byte("[[network]]\n"))
	f.Add([]byte("network.bridge = {name = \"x\", ipv4 = \"10.0.0.0/8\"}"))
	f.Add([]byte("server.stream_idle_timeout = 1979-05-27T07:32:00Z\r\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c := Default()
		if err := c.Merge("fuzz", data); err != nil {
			return
		}
		c.resolve()
		if c.Validate() != nil {
			return
		}
		text, err := c.Encode()
		if err != nil {
			t.Fatalf("encode: %v", err)
		}
		var back Config
		if err := back.Merge("encoded", text); err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
		for _, list := range []*[]string{&c.Network.CNIBinDirs, &c.Image.Pinned, &back.Network.CNIBinDirs, &back.Image.Pinned} {
			if len(*list) == 0 { // [] and absent are the same
				*list = nil
			}
		}
		if !reflect.DeepEqual(back, c) {
			t.Fatalf("%+v became %+v", c, back)
		}
	})
}
