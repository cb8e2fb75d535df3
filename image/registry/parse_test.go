// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestParseChallenges(t *testing.T) {
	for in, want := range map[string][]challenge{
		`Basic realm="x"`: {{"basic", map[string]string{"realm": "x"}}},
		`Bearer realm="https://a/t",service="s",scope="repository:a/b:pull,push"`: {{"bearer", map[string]string{"realm": "https://a/t", "service": "s", "scope": "repository:a/b:pull,push"}}},
		`Negotiate, Basic realm="x", Bearer realm = y , Service=z`:                {{"negotiate", map[string]string{}}, {"basic", map[string]string{"realm": "x"}}, {"bearer", map[string]string{"realm": "y", "service": "z"}}},
		`Bearer realm="a\"b\\c"`:     {{"bearer", map[string]string{"realm": `a"b\c`}}},
		`Bearer realm="a",realm="b"`: {{"bearer", map[string]string{"realm": "a"}}},
		`Bearer realm="unfinished`:   {{"bearer", map[string]string{}}},
		`Bearer`:                     {{"bearer", map[string]string{}}},
		``:                           nil,
		`,,,`:                        nil,
		`"quoted"`:                   nil,
	} {
		got := parseChallenges([]string{in})
		if !slices.EqualFunc(got, want, func(a, b challenge) bool { return a.scheme == b.scheme && maps.Equal(a.params, b.params) }) {
			t.Errorf("%s: %v, want %v", in, got, want)
		}
	}
	if got := parseChallenges([]string{`Basic realm="a"`, `Bearer realm="b"`}); len(got) != 2 {
		t.Errorf("two headers: %v", got)
	}
}

func FuzzParseChallenges(f *testing.F) {
	for _, s := range []string{`Basic realm="x"`, `Bearer realm="https://a/t",service="s",scope="a b"`, `A, B c=d, E "f`, `X a="\`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, c := range parseChallenges([]string{s}) {
			if c.scheme == "" || strings.ToLower(c.scheme) != c.scheme {
				t.Errorf("%q: scheme %q", s, c.scheme)
			}
		}
	})
}

const exampleHosts = `
server = "https://registry-1.docker.io"
[host."https://z.example:5000/some/path"]
  capabilities = ["pull", "resolve"]
  ca = ["a.pem", "/b.pem"]
  client = [["cert.pem", "key.pem"], ["both.pem"]]
  dial_timeout = "5s"
  [host."https://z.example:5000/some/path".header]
    x-name = ["value"]
[host."127.0.0.1:5000"]
  capabilities = ["pull"]
  skip_verify = true
[host."https://a.example/v2"]
  client = "both.pem"
[host."https://b.example/x"]
  override_path = true
`

func TestParseHosts(t *testing.T) {
	hosts, warnings, err := parseHosts([]byte(exampleHosts), "docker.io")
	if err != nil || len(warnings) != 0 {
		t.Fatal(err, warnings)
	}
	var urls []string
	for _, h := range hosts {
		urls = append(urls, h.url.String())
	}
	want := []string{"https://z.example:5000/some/path/v2", "http://127.0.0.1:5000/v2", "https://a.example/v2", "https://b.example/x", "https://registry-1.docker.io/v2"}
	if !slices.Equal(urls, want) {
		t.Errorf("hosts are %q, want %q", urls, want)
	}
	z, l := hosts[0], hosts[1]
	if !z.resolve || !z.pull || z.dialTimeout != 5*time.Second || z.header.Get("X-Name") != "value" {
		t.Errorf("first host: %+v", z)
	}
	if got := z.files("/dir"); !slices.Equal(got, []string{"/dir/a.pem", "/b.pem", "/dir/cert.pem", "/dir/key.pem", "/dir/both.pem"}) {
		t.Errorf("files: %q", got)
	}
	if l.resolve || !l.pull || !l.skipVerify {
		t.Errorf("second host: %+v", l)
	}
}

func TestParseHostsWithoutAFile(t *testing.T) {
	for domain, want := range map[string]string{
		"docker.io": "https://registry-1.docker.io/v2", "reg.example:5000": "https://reg.example:5000/v2", "localhost": "http://localhost/v2",
		"localhost:5000": "http://localhost:5000/v2", "127.0.0.9:80": "http://127.0.0.9:80/v2", "[::1]:5000": "http://[::1]:5000/v2",
		"127.0.0.1.example": "https://127.0.0.1.example/v2", "10.0.0.1:5000": "https://10.0.0.1:5000/v2",
	} {
		hosts, _, err := parseHosts(nil, domain)
		if err != nil || len(hosts) != 1 || hosts[0].url.String() != want || !hosts[0].resolve || !hosts[0].pull {
			t.Errorf("%s: %v, %v; want %s", domain, hosts, err, want)
		}
	}
}

func TestParseHostsWarnsOfUnknownKeys(t *testing.T) {
	hosts, warnings, err := parseHosts([]byte("server = \"https://x\"\nnewer = 1\n[host.\"https://y\"]\nother = \"\"\n"), "x")
	if err != nil || len(hosts) != 2 || !reflect.DeepEqual(warnings, []string{"line 2: unknown key newer", "line 4: unknown key host.https://y.other"}) {
		t.Errorf("%v, %q, %v", hosts, warnings, err)
	}
}

func TestParseHostsRefusesNonsense(t *testing.T) {
	for _, text := range []string{
		"server = ", "server = 1", "server = \"ftp://x\"", "[host.\"https://u:p@x\"]", "[host.\"\"]", "[host.\"https://x?y\"]", "capabilities = [\"fly\"]",
		"ca = 1", "ca = [1]", "client = [[\"a\", \"b\", \"c\"]]", "dial_timeout = \"soon\"", "dial_timeout = \"-1s\"", "[header]\nx = 1", "[header]\nx = \"a\\r\\nb\"",
	} {
		if _, _, err := parseHosts([]byte(text), "x"); err == nil {
			t.Errorf("%q: no error", text)
		}
	}
	_, _, err := parseHosts([]byte("server = \"https://x\"\nca = \n"), "x")
	if err == nil || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("the error has no line: %v", err)
	}
}

func FuzzParseHosts(f *testing.F) {
	f.Add([]byte(exampleHosts))
	f.Add([]byte("host = {\"https://x\" = {ca = \"y\"}}"))
	f.Fuzz(func(t *testing.T, b []byte) {
		hosts, _, err := parseHosts(b, "docker.io")
		if err != nil {
			return
		}
		if len(hosts) == 0 {
			t.Error("no host, not even the registry's own")
		}
		for _, h := range hosts {
			if h.url.Host == "" || h.url.Scheme != "http" && h.url.Scheme != "https" {
				t.Errorf("host %s", h.url)
			}
		}
	})
}

func TestDecodeAuth(t *testing.T) {
	if u, p, err := DecodeAuth("dTpwOnE="); err != nil || u != "u" || p != "p:q" {
		t.Errorf("%q, %q, %v", u, p, err)
	}
	for _, s := range []string{"", "!", "dQ=="} {
		if _, _, err := DecodeAuth(s); err == nil {
			t.Errorf("%q: no error", s)
		}
	}
}

func TestCredentialIsForItsServerOnly(t *testing.T) {
	for _, tt := range []struct {
		server, host string
		want         bool
	}{
		{"", "any.example", true},
		{"https://index.docker.io/v1/", "registry-1.docker.io", true},
		{"docker.io", "registry-1.docker.io", true},
		{"reg.example", "reg.example:443", true},
		{"reg.example:5000", "reg.example", false},
		{"reg.example", "mirror.example", false},
		{"reg.example.evil", "reg.example", false},
		{"https://reg.example@evil", "reg.example", false},
	} {
		got := Credential{Username: "u", ServerAddress: tt.server}.forHost(tt.host).Username != ""
		if got != tt.want {
			t.Errorf("for %q at %q: %v", tt.server, tt.host, got)
		}
	}
}
