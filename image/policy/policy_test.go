// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/opencontainers/go-digest"

	"crisp/image/reference"
)

func write(t *testing.T, path, text string) string {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
		t.Fatal(err)
	}
	return path
}

func parse(t *testing.T, name string) reference.Reference {
	t.Helper()
	ref, err := reference.Parse(name)
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

// unreachable is an image of a registry that nobody can ask.
func unreachable(t *testing.T) Image {
	return Image{Name: parse(t, "registry.invalid/app:1"), Digests: []digest.Digest{digest.FromString("x")}}
}

const (
	acceptAll = `{"default": [{"type": "insecureAcceptAnything"}]}`
	rejectAll = `{"default": [{"type": "reject"}]}`
)

func TestNoPolicyAcceptsEverything(t *testing.T) {
	for _, file := range []string{"", filepath.Join(t.TempDir(), "absent")} {
		if err := New(Config{File: file, NamespaceDir: file}).Check(t.Context(), unreachable(t)); err != nil {
			t.Errorf("file %q: %v", file, err)
		}
	}
}

func TestAcceptingPolicyAsksNobody(t *testing.T) {
	p := New(Config{File: write(t, filepath.Join(t.TempDir(), "policy.json"), acceptAll)})
	if err := p.Check(t.Context(), unreachable(t)); err != nil {
		t.Error(err)
	}
}

func TestBadPolicyLetsNothingBeUsed(t *testing.T) {
	for _, text := range []string{"", "{", `{"default": []}`, `{"default": [{"type": "acceptEverything"}]}`} {
		p := New(Config{File: write(t, filepath.Join(t.TempDir(), "policy.json"), text)})
		if err := p.Check(t.Context(), unreachable(t)); err == nil {
			t.Errorf("policy %q lets an image be used", text)
		}
	}
}
