// SPDX-License-Identifier: Apache-2.0

package registries

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"crisp/image"
	"crisp/image/reference"
	"crisp/image/registry"
	"crisp/test/build"
	"crisp/test/images"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

var programs = []struct {
	name string
	find func(context.Context) (string, error)
}{{"distribution v3", build.Distribution}, {"docker-registry v2", build.DockerRegistry}}

// each runs a test against each registry, open by plain HTTP and with TLS and a token server.
func each(t *testing.T, test func(t *testing.T, p place)) {
	for _, program := range programs {
		for _, secure := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, secure %v", program.name, secure), func(t *testing.T) {
				t.Parallel()
				path, err := program.find(t.Context())
				if err != nil {
					t.Skipf("%s is not here: %v", program.name, err)
				}
				test(t, start(t, path, secure))
			})
		}
	}
}

// place is a registry and how a client reaches it.
type place struct {
	*Registry
	tokens *Tokens
	config string // directory with hosts.toml files
}

func start(t *testing.T, program string, secure bool) place {
	t.Helper()
	p := place{config: t.TempDir()}
	c := Config{Program: program, Dir: t.TempDir(), TLS: secure}
	if secure {
		var err error
		if p.tokens, err = StartTokens(t.TempDir(), "user", "secret", "refresh me"); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.tokens.Close)
		c.Tokens = p.tokens
	}
	var err error
	if p.Registry, err = Start(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	if secure {
		dir := filepath.Join(p.config, p.Host())
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		text := fmt.Sprintf("server = %q\nca = [%q, %q]\n", p.URL(), p.CA(), p.tokens.CA())
		if err := os.WriteFile(filepath.Join(dir, "hosts.toml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// auth is the right credential, if one is needed.
func (p place) auth() *image.Auth {
	if p.tokens == nil {
		return nil
	}
	return &image.Auth{Username: p.tokens.Username, Password: p.tokens.Password}
}

func (p place) pushCredential() registry.Credential {
	if p.tokens == nil {
		return registry.Credential{}
	}
	return registry.Credential{Username: p.tokens.Username, Password: p.tokens.Password}
}

func (p place) repository(t *testing.T, name string, c registry.Credential) *registry.Repository {
	t.Helper()
	ref, err := reference.Parse(p.Host() + "/" + name)
	if err != nil {
		t.Fatal(err)
	}
	client := registry.New(registry.Config{Dir: p.config})
	t.Cleanup(client.Close)
	r, err := client.Repository(ref, c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// content is an image's manifest with what it names.
type content struct {
	manifest []byte
	blobs    map[registry.Descriptor][]byte
}

func example(t *testing.T, text string) content {
	t.Helper()
	layer, err := images.NewLayer([]images.File{images.Dir("etc", 0o755), images.Text("etc/motd", text)}, images.Gzip)
	if err != nil {
		t.Fatal(err)
	}
	c := content{blobs: map[registry.Descriptor][]byte{}}
	add := func(mediaType string, data []byte) ocispec.Descriptor {
		d := ocispec.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(data), Size: int64(len(data))}
		c.blobs[registry.Descriptor{Digest: d.Digest, Size: d.Size}] = data
		return d
	}
	config := marshal(t, ocispec.Image{Platform: images.Host(), RootFS: ocispec.RootFS{Type: "layers", DiffIDs: []digest.Digest{layer.DiffID}}})
	c.manifest = marshal(t, ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest,
		Config: add(ocispec.MediaTypeImageConfig, config), Layers: []ocispec.Descriptor{add(ocispec.MediaTypeImageLayerGzip, layer.Data)},
	})
	return c
}

func marshal(t *testing.T, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func push(t *testing.T, r *registry.Repository, tag string, c content) digest.Digest {
	t.Helper()
	for d, data := range c.blobs {
		open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }
		if pushed, err := r.PushBlob(t.Context(), d, "", open); err != nil || !pushed {
			t.Fatalf("push of a blob: sent %v, %v", pushed, err)
		}
		if pushed, err := r.PushBlob(t.Context(), d, "", open); err != nil || pushed {
			t.Fatalf("push of a blob that is there: sent %v, %v", pushed, err)
		}
	}
	d, err := r.PushManifest(t.Context(), tag, ocispec.MediaTypeImageManifest, c.manifest)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestPushedImageIsPulled(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("unpacking layers needs root")
	}
	each(t, func(t *testing.T, p place) {
		want := example(t, "hello")
		d := push(t, p.repository(t, "a/b", p.pushCredential()), "v1", want)
		s, err := image.Open(t.Context(), image.Config{Root: t.TempDir(), RegistryDir: p.config, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		s.Collect()
		im, err := s.Pull(t.Context(), image.PullRequest{Ref: p.Host() + "/a/b:v1", Auth: p.auth()})
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Contains(im.RepoDigests, p.Host()+"/a/b@"+d.String()) {
			t.Errorf("repo digests %q lack %s", im.RepoDigests, d)
		}
		if p.tokens == nil {
			return
		}
		if given := p.tokens.Given(); given[len(given)-1] != "repository:a/b:pull" {
			t.Errorf("the pull has asked for %q", given)
		}
		_, err = s.Pull(t.Context(), image.PullRequest{Ref: p.Host() + "/a/b:v2", Auth: &image.Auth{IdentityToken: "wrong"}})
		if !errors.Is(err, image.ErrUnauthorized) {
			t.Errorf("pull with a wrong token: %v", err)
		}
	})
}

func TestTagsArePaged(t *testing.T) {
	each(t, func(t *testing.T, p place) {
		r := p.repository(t, "tags", p.pushCredential())
		c := example(t, "x")
		push(t, r, "t0", c)
		want := []string{"t0"}
		for i := 1; i < 130; i++ { // registries answer with 100 at a time where they page at all
			tag := fmt.Sprintf("t%d", i)
			if _, err := r.PushManifest(t.Context(), tag, ocispec.MediaTypeImageManifest, c.manifest); err != nil {
				t.Fatal(err)
			}
			want = append(want, tag)
		}
		got, err := r.Tags(t.Context())
		slices.Sort(got)
		slices.Sort(want)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%d tags of %d, %v", len(got), len(want), err)
		}
	})
}

func TestBlobIsMountedFromAnotherRepository(t *testing.T) {
	each(t, func(t *testing.T, p place) {
		c := example(t, "mounted")
		push(t, p.repository(t, "from", p.pushCredential()), "v1", c)
		r := p.repository(t, "to", p.pushCredential())
		for d := range c.blobs {
			if _, err := r.PushBlob(t.Context(), d, "from", func() (io.ReadCloser, error) {
				if p.tokens == nil {
					t.Error("an open registry wanted the bytes of a blob that it has")
				}
				return io.NopCloser(bytes.NewReader(c.blobs[d])), nil
			}); err != nil {
				t.Error(err)
			}
			if there, err := r.Exists(t.Context(), d.Digest); err != nil || !there {
				t.Errorf("%s is there: %v, %v", d.Digest, there, err)
			}
		}
	})
}

func TestReferrersAreFoundByTheTagSchema(t *testing.T) {
	each(t, func(t *testing.T, p place) {
		r := p.repository(t, "signed", p.pushCredential())
		subject := push(t, r, "v1", example(t, "signed"))
		if got, err := r.Referrers(t.Context(), subject, ""); err != nil || len(got) > 0 {
			t.Fatalf("without referrers: %v, %v", got, err)
		}
		signature := example(t, "signature")
		d := push(t, r, "signature", signature)
		entry := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: d, Size: int64(len(signature.manifest)), ArtifactType: "a/signature"}
		index := marshal(t, ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex, Manifests: []ocispec.Descriptor{entry}})
		tag := subject.Algorithm().String() + "-" + subject.Encoded()
		if _, err := r.PushManifest(t.Context(), tag, ocispec.MediaTypeImageIndex, index); err != nil {
			t.Fatal(err)
		}
		for kind, n := range map[string]int{"": 1, "a/signature": 1, "another/kind": 0} {
			if got, err := r.Referrers(t.Context(), subject, kind); err != nil || len(got) != n {
				t.Errorf("of kind %q: %v, %v", kind, got, err)
			}
		}
	})
}

func TestWrongManifestIsRefused(t *testing.T) {
	each(t, func(t *testing.T, p place) {
		r := p.repository(t, "wrong", p.pushCredential())
		c := example(t, "never pushed")
		if _, err := r.PushManifest(t.Context(), "v1", ocispec.MediaTypeImageManifest, c.manifest); err == nil {
			t.Error("a manifest whose blobs are not there was taken")
		}
		if _, err := r.PushManifest(t.Context(), digest.FromString("other").String(), ocispec.MediaTypeImageManifest, c.manifest); !errors.Is(err, registry.ErrDigest) {
			t.Errorf("manifest under another's digest: %v", err)
		}
	})
}
