// SPDX-License-Identifier: Apache-2.0

package images

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// TestImageIsServedAsItsDescriptorsSay pulls an image as a runtime does and checks every digest on the way.
func TestImageIsServedAsItsDescriptorsSay(t *testing.T) {
	layer, err := NewLayer([]File{Text("etc/motd", "hello\n"), {Name: "motd", Symlink: "etc/motd"}}, Gzip)
	if err != nil {
		t.Fatal(err)
	}
	img, err := New(Host(), ocispec.ImageConfig{Cmd: []string{"sh"}}, layer)
	if err != nil {
		t.Fatal(err)
	}
	idx, err := NewIndex(OCI, img)
	if err != nil {
		t.Fatal(err)
	}
	r := NewRegistry()
	r.Tag("a/b", "latest", idx)
	server := httptest.NewServer(r)
	defer server.Close()

	var index ocispec.Index
	body := get(t, server.URL+"/v2/a/b/manifests/latest", idx.Descriptor)
	unmarshal(t, body, &index)
	var manifest ocispec.Manifest
	unmarshal(t, get(t, server.URL+"/v2/a/b/manifests/"+index.Manifests[0].Digest.String(), index.Manifests[0]), &manifest)
	var config ocispec.Image
	unmarshal(t, get(t, server.URL+"/v2/a/b/blobs/"+manifest.Config.Digest.String(), manifest.Config), &config)
	packed := get(t, server.URL+"/v2/a/b/blobs/"+manifest.Layers[0].Digest.String(), manifest.Layers[0])
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	if got := digest.FromBytes(plain); got != config.RootFS.DiffIDs[0] {
		t.Errorf("diff ID %s, want %s", got, config.RootFS.DiffIDs[0])
	}
	h, err := tar.NewReader(bytes.NewReader(plain)).Next()
	if err != nil || h.Name != "etc/motd" {
		t.Errorf("first entry %v, %v", h, err)
	}
}

func get(t *testing.T, url string, want ocispec.Descriptor) []byte {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v", url, resp.Status, err)
	}
	if got := resp.Header.Get("Content-Type"); got != want.MediaType {
		t.Errorf("%s: media type %q, want %q", url, got, want.MediaType)
	}
	if got := digest.FromBytes(body); got != want.Digest || int64(len(body)) != want.Size {
		t.Errorf("%s: %s with %d bytes, want %s with %d", url, got, len(body), want.Digest, want.Size)
	}
	return body
}

func unmarshal(t *testing.T, data []byte, v any) {
	t.Helper()
	if err := json.Unmarshal(data, v); err != nil {
		t.Fatal(err)
	}
}

func TestRegistryAnswersUnknownNamesWithNotFound(t *testing.T) {
	r := NewRegistry()
	r.Tag("a", "1", &Image{})
	for _, path := range []string{"/v2/b/manifests/1", "/v2/a/manifests/2", "/v2/a/blobs/1", "/v2/a", "/", "/v2/a/manifests/"} {
		w := httptest.NewRecorder()
		r.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		if w.Code != http.StatusNotFound {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}

// TestDigestImageIsTheSameEverywhere pins the digest: it must not depend on a compressor, a clock or the machine.
func TestDigestImageIsTheSameEverywhere(t *testing.T) {
	img, err := digestImage()
	if err != nil {
		t.Fatal(err)
	}
	const want = "sha256:c30bddeb7e303d09f388d3b9cdcf12ffcf0b5304c1fc9abb709a9e3d5811e57c"
	if got := img.Descriptor.Digest.String(); got != want {
		t.Errorf("digest %s, want %s", got, want)
	}
}

func TestPatchCritestReplacesThePublishedDigest(t *testing.T) {
	dir := t.TempDir()
	in, out := filepath.Join(dir, "in"), filepath.Join(dir, "out")
	if err := os.WriteFile(in, []byte("\x7fELF "+publishedDigest+" end"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := PatchCritest(in, out); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != len("\x7fELF "+publishedDigest+" end") || bytes.Contains(got, []byte(publishedDigest)) {
		t.Errorf("patched to %q", got)
	}
	if err := PatchCritest(out, in); err == nil {
		t.Error("a binary without the published digest was patched")
	}
}

func TestEveryReferenceHasAHostAPathAndATag(t *testing.T) {
	seen := map[string]bool{}
	for _, ref := range References() {
		host, rest, ok := strings.Cut(ref, "/")
		if path, tag, tagged := strings.Cut(rest, ":"); !ok || !tagged || path == "" || tag == "" || !strings.Contains(host, ".") {
			t.Errorf("reference %q", ref)
		}
		if seen[ref] {
			t.Errorf("reference %q stands twice", ref)
		}
		seen[ref] = true
	}
}
