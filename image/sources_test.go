// SPDX-License-Identifier: Apache-2.0

package image

import (
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"crisp/image/internal/registrytest"
	"crisp/image/registries"
)

// withFiles gives a store the files of containers' tools.
func withFiles(t *testing.T, conf, auth string) func(*Config) {
	t.Helper()
	dir := t.TempDir()
	c := registries.Config{Conf: filepath.Join(dir, "registries.conf"), AuthFile: filepath.Join(dir, "auth.json")}
	for path, text := range map[string]string{c.Conf: conf, c.AuthFile: auth} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return func(config *Config) { config.Registries = c }
}

func TestPullFromAMirrorWithTheNodesCredentials(t *testing.T) {
	reg := registrytest.New(t)
	reg.Push(t, "hub/app", app(t, "mirrored"), "1")
	reg.Auth = &registrytest.Auth{Username: "node", Password: "secret"}
	conf := fmt.Sprintf("[[registry]]\nprefix = \"docker.io/library\"\nlocation = \"docker.io/library\"\nblocked = false\n[[registry.mirror]]\nlocation = \"%s/hub\"\n", reg.Host)
	auth := fmt.Sprintf(`{"auths": {"%s/hub": {"auth": %q}}}`, reg.Host, base64.StdEncoding.EncodeToString([]byte("node:secret")))
	s := open(t, t.TempDir(), withFiles(t, conf, auth))
	im := pullIt(t, s, "app:1")
	wantStrings(t, "tags", im.RepoTags, "docker.io/library/app:1")
	for _, q := range reg.Requests() {
		if q != "HEAD /v2/hub/app/manifests/1" && q[:15] != "GET /v2/hub/app" {
			t.Errorf("the mirror was asked for %s", q)
		}
	}
}

func TestShortNameMeansWhatItsAliasSays(t *testing.T) {
	reg := registrytest.New(t)
	reg.Push(t, "real/app", app(t, "aliased"), "1")
	s := open(t, t.TempDir(), withFiles(t, fmt.Sprintf("[aliases]\n\"app\" = \"%s/real/app\"\n", reg.Host), "{}"))
	im := pullIt(t, s, "app:1")
	wantStrings(t, "tags", im.RepoTags, reg.Host+"/real/app:1")
	if got, err := s.Get("app:1"); err != nil || got.ID != im.ID {
		t.Errorf("by the short name: %v, %v", got, err)
	}
	if err := s.Remove(t.Context(), "app:1"); err != nil {
		t.Fatal(err)
	}
	wantGone(t, s, "app:1", im.ID)
}

func TestShortNameIsSearched(t *testing.T) {
	empty, full := registrytest.New(t), registrytest.New(t)
	full.Push(t, "app", app(t, "found"), "1")
	conf := fmt.Sprintf("unqualified-search-registries = [%q, %q]\nshort-name-mode = \"permissive\"\n", empty.Host, full.Host)
	s := open(t, t.TempDir(), withFiles(t, conf, "{}"))
	wantStrings(t, "tags", pullIt(t, s, "app:1").RepoTags, full.Host+"/app:1")
	if _, err := s.Pull(t.Context(), PullRequest{Ref: "other:1"}); !errors.Is(err, ErrNotFound) {
		t.Errorf("a name that no registry has: %v", err)
	}
}

func TestBlockedRegistryIsNotAsked(t *testing.T) {
	reg := registrytest.New(t)
	reg.Push(t, "app", app(t, "blocked"), "1")
	s := open(t, t.TempDir(), withFiles(t, fmt.Sprintf("[[registry]]\nlocation = %q\nblocked = true\n", reg.Host), "{}"))
	if _, err := s.Pull(t.Context(), PullRequest{Ref: reg.Host + "/app:1"}); !errors.Is(err, ErrBlocked) {
		t.Errorf("err = %v", err)
	}
	if q := reg.Requests(); len(q) > 0 {
		t.Errorf("the registry was asked: %q", q)
	}
}

func TestRejectedImageIsNotPulled(t *testing.T) {
	reg := registrytest.New(t)
	reg.Push(t, "app", app(t, "rejected"), "1")
	file := filepath.Join(t.TempDir(), "policy.json")
	policyOf := func(kind string) {
		t.Helper()
		if err := os.WriteFile(file, fmt.Appendf(nil, `{"default": [{"type": %q}]}`, kind), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	root := t.TempDir()
	s := open(t, root, func(c *Config) { c.Policy.File = file })
	policyOf("reject")
	if _, err := s.Pull(t.Context(), PullRequest{Ref: reg.Host + "/app:1"}); !errors.Is(err, ErrSignature) {
		t.Errorf("err = %v", err)
	}
	if n := layersOnDisk(t, root); n > 0 {
		t.Errorf("%d layers of a rejected image are there", n)
	}
	policyOf("insecureAcceptAnything")
	pullIt(t, s, reg.Host+"/app:1")
	policyOf("reject")
	if _, err := s.Pull(t.Context(), PullRequest{Ref: reg.Host + "/app:1"}); !errors.Is(err, ErrSignature) {
		t.Errorf("an image that is there: %v", err)
	}
}
