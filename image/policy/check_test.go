// SPDX-License-Identifier: Apache-2.0

//go:build containers_image_openpgp

package policy

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"crisp/image/internal/registrytest"
)

func TestRejectingPolicyAsksNobody(t *testing.T) {
	p := New(Config{File: write(t, filepath.Join(t.TempDir(), "policy.json"), rejectAll)})
	if err := p.Check(t.Context(), unreachable(t)); !errors.Is(err, ErrRejected) {
		t.Error(err)
	}
}

func TestNamespaceHasAPolicyOfItsOwn(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "free.json"), acceptAll)
	p := New(Config{File: write(t, filepath.Join(t.TempDir(), "policy.json"), rejectAll), NamespaceDir: dir})
	for namespace, accepted := range map[string]bool{"free": true, "other": false, "": false, "../" + filepath.Base(dir) + "/free": false} {
		im := unreachable(t)
		im.Namespace = namespace
		if err := p.Check(t.Context(), im); (err == nil) != accepted {
			t.Errorf("namespace %q: %v", namespace, err)
		}
	}
}

func TestMoreExactScopeWins(t *testing.T) {
	p := New(Config{File: write(t, filepath.Join(t.TempDir(), "policy.json"),
		`{"default": [{"type": "reject"}], "transports": {"docker": {"registry.invalid/good": [{"type": "insecureAcceptAnything"}]}}}`)})
	for name, accepted := range map[string]bool{"registry.invalid/good:1": true, "registry.invalid/good/app:1": true, "registry.invalid/bad:1": false} {
		if err := p.Check(t.Context(), Image{Name: parse(t, name)}); (err == nil) != accepted {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// signer signs as cosign does: an ECDSA signature of a small JSON text that names the image and its digest.
type signer struct{ key *ecdsa.PrivateKey }

func newSigner(t *testing.T) signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return signer{key}
}

func (s signer) public(t *testing.T) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(s.key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// sign attaches a signature of a manifest under the tag that cosign uses.
func (s signer) sign(t *testing.T, reg *registrytest.Registry, repo, name string, d digest.Digest) {
	t.Helper()
	payload := fmt.Appendf(nil, `{"critical":{"identity":{"docker-reference":%q},"image":{"docker-manifest-digest":%q},"type":"cosign container image signature"},"optional":null}`, name, d)
	sum := sha256.Sum256(payload)
	signature, err := ecdsa.SignASN1(rand.Reader, s.key, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	config := []byte("{}")
	manifest, err := json.Marshal(map[string]any{
		"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
		"config": map[string]any{"mediaType": "application/vnd.oci.image.config.v1+json", "digest": reg.Blob(config), "size": len(config)},
		"layers": []any{map[string]any{
			"mediaType": "application/vnd.dev.cosign.simplesigning.v1+json", "digest": reg.Blob(payload), "size": len(payload),
			"annotations": map[string]string{"dev.cosignproject.cosign/signature": base64.StdEncoding.EncodeToString(signature)},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	reg.Manifest(repo, "application/vnd.oci.image.manifest.v1+json", manifest, strings.Replace(d.String(), ":", "-", 1)+".sig")
}

func TestSignedImageIsAccepted(t *testing.T) {
	reg := registrytest.New(t)
	manifest := func(text string) digest.Digest {
		return reg.Manifest("app", "application/vnd.oci.image.manifest.v1+json",
			fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{},"layers":[],"annotations":{"x":%q}}`, text), text)
	}
	signed, unsigned, foreign, renamed := manifest("signed"), manifest("unsigned"), manifest("foreign"), manifest("renamed")
	ours, theirs := newSigner(t), newSigner(t)
	ours.sign(t, reg, "app", reg.Host+"/app", signed)
	theirs.sign(t, reg, "app", reg.Host+"/app", foreign)
	ours.sign(t, reg, "app", reg.Host+"/other", renamed)
	dir := t.TempDir()
	write(t, filepath.Join(dir, "registries.d", "default.yaml"), "default-docker:\n  use-sigstore-attachments: true\n")
	p := New(Config{RegistriesDir: filepath.Join(dir, "registries.d"), File: write(t, filepath.Join(dir, "policy.json"), fmt.Sprintf(
		`{"default": [{"type": "reject"}], "transports": {"docker": {%q: [{"type": "sigstoreSigned", "keyData": %q, "signedIdentity": {"type": "matchRepository"}}]}}}`,
		reg.Host, ours.public(t)))})
	for _, x := range []struct {
		what     string
		digests  []digest.Digest
		accepted bool
	}{
		{"signed", []digest.Digest{signed}, true},
		{"of a signed index", []digest.Digest{unsigned, signed}, true},
		{"not signed", []digest.Digest{unsigned}, false},
		{"signed by a stranger", []digest.Digest{foreign}, false},
		{"signed for another name", []digest.Digest{renamed}, false},
		{"nothing", nil, false},
	} {
		err := p.Check(t.Context(), Image{Name: parse(t, reg.Host+"/app:signed"), Digests: x.digests})
		if x.accepted && err != nil || !x.accepted && !errors.Is(err, ErrRejected) {
			t.Errorf("%s: %v", x.what, err)
		}
	}
}
