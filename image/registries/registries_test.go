// SPDX-License-Identifier: Apache-2.0

package registries

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"crisp/image/reference"
	"crisp/image/registry"
)

const conf = `unqualified-search-registries = ["one.example"]
short-name-mode = "enforcing"
[aliases]
"tool" = "aliases.example/real/tool"
[[registry]]
prefix = "docker.io/library"
location = "docker.io/library"
[[registry.mirror]]
location = "mirror.example:5000/hub"
insecure = true
[[registry.mirror]]
location = "digests.example/hub"
pull-from-mirror = "digest-only"
[[registry]]
location = "evil.example"
blocked = true
[[registry]]
prefix = "*.wild.example"
location = "tame.example/wild"
`

// node is a Registries with files in a directory.
type node struct {
	*Registries
	dir string
	log bytes.Buffer
	t   *testing.T
}

func newNode(t *testing.T, files map[string]string) *node {
	t.Helper()
	n := &node{dir: t.TempDir(), t: t}
	for name, text := range files {
		n.write(name, text)
	}
	n.Registries = New(Config{
		Conf: n.path("registries.conf"), ConfDir: n.path("registries.conf.d"), CertDirs: []string{n.path("certs.d"), n.path("docker")},
		AuthFile: n.path("auth.json"), NamespaceAuthDir: n.path("namespaces"), Log: slog.New(slog.NewTextHandler(&n.log, nil)),
	})
	return n
}

func (n *node) path(name string) string { return filepath.Join(n.dir, name) }

// write makes each version of a file newer than the one before.
func (n *node) write(name, text string) {
	n.t.Helper()
	path := n.path(name)
	before, _ := os.Stat(path)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
		n.t.Fatal(err)
	}
	if before != nil {
		later := before.ModTime().Add(time.Second)
		if err := os.Chtimes(path, later, later); err != nil {
			n.t.Fatal(err)
		}
	}
}

func (n *node) sources(name string) ([]registry.Source, error) {
	n.t.Helper()
	ref, err := reference.Parse(name)
	if err != nil {
		n.t.Fatal(err)
	}
	return n.Sources(ref)
}

func (n *node) want(name string, want ...registry.Source) {
	n.t.Helper()
	if got, err := n.sources(name); err != nil || !reflect.DeepEqual(got, want) {
		n.t.Errorf("sources of %s: %+v, %v; want %+v", name, got, err, want)
	}
}

const someDigest = "@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

func TestSourcesAreMirrorsFirst(t *testing.T) {
	n := newNode(t, map[string]string{"registries.conf": conf, "certs.d/mirror.example:5000/ca.crt": "x", "docker/own.example/ca.crt": "x"})
	mirror := registry.Source{Host: "mirror.example:5000", Repository: "hub/busybox", Insecure: true, CertDirs: []string{n.path("certs.d/mirror.example:5000")}}
	hub := registry.Source{Host: "docker.io", Repository: "library/busybox"}
	n.want("busybox:1", mirror, hub)
	n.want("busybox"+someDigest, mirror, registry.Source{Host: "digests.example", Repository: "hub/busybox"}, hub)
	n.want("docker.io/other/thing:1")
	n.want("a.wild.example/x:1", registry.Source{Host: "tame.example", Repository: "wild/x"})
	n.want("own.example/x:1", registry.Source{Host: "own.example", Repository: "x", CertDirs: []string{n.path("docker/own.example")}})
	if _, err := n.sources("evil.example/x:1"); !errors.Is(err, ErrBlocked) {
		t.Errorf("blocked registry: %v", err)
	}
}

func TestDropInsAddAndWin(t *testing.T) {
	n := newNode(t, map[string]string{
		"registries.conf":           conf,
		"registries.conf.d/10.conf": "[[registry]]\nlocation = \"evil.example\"\nblocked = false\n",
	})
	n.want("evil.example/x:1", registry.Source{Host: "evil.example", Repository: "x"})
}

func TestNoFilesMeanNothing(t *testing.T) {
	n := newNode(t, nil)
	n.want("busybox:1")
	if names, err := n.Names("busybox"); err != nil || !slices.Equal(names, []string{"busybox"}) {
		t.Errorf("%q, %v", names, err)
	}
	if c, err := n.Credential("docker.io", "library/busybox"); err != nil || c != (registry.Credential{}) {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestShortNames(t *testing.T) {
	n := newNode(t, map[string]string{"registries.conf": conf})
	for name, want := range map[string]string{
		"tool:2":               "aliases.example/real/tool:2",
		"tool" + someDigest:    "aliases.example/real/tool" + someDigest,
		"busybox":              "one.example/busybox",
		"a/b:c":                "one.example/a/b:c",
		"docker.io/a/b":        "docker.io/a/b",
		"localhost/x":          "localhost/x",
		"127.0.0.1:5000/x:tag": "127.0.0.1:5000/x:tag",
	} {
		if got, err := n.Names(name); err != nil || !slices.Equal(got, []string{want}) {
			t.Errorf("%s means %q, %v; want %s", name, got, err, want)
		}
	}
	n.write("registries.conf", strings.Replace(conf, `["one.example"]`, `["one.example", "two.example"]`, 1))
	if _, err := n.Names("busybox"); !errors.Is(err, ErrAmbiguous) {
		t.Errorf("enforcing, two registries: %v", err)
	}
	n.write("registries.conf", strings.NewReplacer(`["one.example"]`, `["one.example", "two.example"]`, "enforcing", "permissive").Replace(conf))
	if got, err := n.Names("busybox"); err != nil || !slices.Equal(got, []string{"one.example/busybox", "two.example/busybox"}) {
		t.Errorf("permissive, two registries: %q, %v", got, err)
	}
}

func TestChangesAreSeenAndBadOnesAreNot(t *testing.T) {
	n := newNode(t, map[string]string{"registries.conf": conf})
	blocked := func(what string, want bool) {
		t.Helper()
		if _, err := n.sources("evil.example/x:1"); errors.Is(err, ErrBlocked) != want {
			t.Errorf("%s: %v", what, err)
		}
	}
	blocked("at first", true)
	n.write("registries.conf", "this is = not [ TOML")
	blocked("with a bad file", true)
	blocked("with a bad file, again", true)
	if got := strings.Count(n.log.String(), "goes on to count"); got != 1 {
		t.Errorf("the log tells of it %d times:\n%s", got, &n.log)
	}
	n.write("registries.conf", "")
	blocked("with an empty file", false)
	if !strings.Contains(n.log.String(), "can be read again") {
		t.Errorf("the log does not tell that all is well again:\n%s", &n.log)
	}
}

func TestBadFileAtFirstIsAnError(t *testing.T) {
	n := newNode(t, map[string]string{"registries.conf": "this is = not [ TOML"})
	if _, err := n.sources("busybox:1"); err == nil || !strings.Contains(err.Error(), "registries.conf") {
		t.Errorf("err = %v", err)
	}
}

// auth is base64 of "user:NAME".
const auth = `{"auths": {
	"docker.io":                  {"auth": "dXNlcjpodWI="},
	"docker.io/team":             {"auth": "dXNlcjp0ZWFt"},
	"docker.io/team/app":         {"auth": "dXNlcjphcHA="},
	"tokens.example":             {"auth": "eDp4", "identitytoken": "id"},
	"https://legacy.example/v1/": {"auth": "dXNlcjpsZWdhY3k="}
}}`

func TestCredentialIsTheMostExact(t *testing.T) {
	n := newNode(t, map[string]string{"auth.json": auth})
	for _, x := range []struct {
		host, path string
		want       registry.Credential
	}{
		{"docker.io", "library/busybox", registry.Credential{Username: "user", Password: "hub"}},
		{"docker.io", "team/other", registry.Credential{Username: "user", Password: "team"}},
		{"docker.io", "team/app", registry.Credential{Username: "user", Password: "app"}},
		{"tokens.example", "x", registry.Credential{IdentityToken: "id"}},
		{"legacy.example", "x", registry.Credential{Username: "user", Password: "legacy"}},
		{"unknown.example", "x", registry.Credential{}},
	} {
		if got, err := n.Credential(x.host, x.path); err != nil || got != x.want {
			t.Errorf("%s/%s: %+v, %v", x.host, x.path, got, err)
		}
	}
}

func TestNamespaceHasCredentialsOfItsOwn(t *testing.T) {
	n := newNode(t, map[string]string{"auth.json": auth})
	file := "namespaces/team-a-" + fmt.Sprintf("%x", sha256.Sum256([]byte("docker.io/team/app:1"))) + ".json"
	n.write(file, `{"auths": {"docker.io": {"auth": "dXNlcjpvd24="}}}`)
	for _, x := range []struct{ namespace, image, want string }{
		{"team-a", "docker.io/team/app:1", "own"},
		{"team-a", "docker.io/team/app:2", "app"},
		{"team-b", "docker.io/team/app:1", "app"},
		{"../namespaces/team-a", "docker.io/team/app:1", "app"},
		{"", "docker.io/team/app:1", "app"},
	} {
		if got, err := n.Namespace(x.namespace, x.image)("docker.io", "team/app"); err != nil || got.Password != x.want {
			t.Errorf("namespace %q, image %s: %+v, %v", x.namespace, x.image, got, err)
		}
	}
}

func TestCredentialHelperIsAsked(t *testing.T) {
	n := newNode(t, map[string]string{"auth.json": `{"credHelpers": {"helped.example": "crisptest"}}`})
	n.write("bin/docker-credential-crisptest", "#!/bin/sh\nread host\nprintf '{\"ServerURL\":\"%s\",\"Username\":\"helped\",\"Secret\":\"%s secret\"}' \"$host\" \"$1\"\n")
	if err := os.Chmod(n.path("bin/docker-credential-crisptest"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", n.path("bin")+":"+os.Getenv("PATH"))
	want := registry.Credential{Username: "helped", Password: "get secret"}
	if got, err := n.Credential("helped.example", "x"); err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
}
