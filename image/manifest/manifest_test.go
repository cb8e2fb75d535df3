// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

var (
	d1 = digest.FromString("1")
	d2 = digest.FromString("2")
)

func imageManifest(mediaType, configType, layerType string) string {
	return fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":%q,"digest":%q,"size":2},"layers":[{"mediaType":%q,"digest":%q,"size":3}]}`,
		mediaType, configType, d1, layerType, d2)
}

const (
	ociConfig = ocispec.MediaTypeImageConfig
	ociLayer  = ocispec.MediaTypeImageLayerGzip
)

func TestParseTakesBothFamilies(t *testing.T) {
	index := fmt.Sprintf(`{"schemaVersion":2,"manifests":[{"mediaType":"x","digest":%q,"size":1}]}`, d1)
	for name, tt := range map[string]struct {
		text, contentType string
		index             bool
	}{
		"OCI":                     {imageManifest(ocispec.MediaTypeImageManifest, ociConfig, ociLayer), "", false},
		"Docker":                  {imageManifest(mediaTypeDockerManifest, mediaTypeDockerConfig, "application/vnd.docker.image.rootfs.diff.tar.gzip"), "", false},
		"own type counts":         {imageManifest(ocispec.MediaTypeImageManifest, ociConfig, ociLayer), ocispec.MediaTypeImageIndex, false},
		"type of the response":    {imageManifest("", ociConfig, ociLayer), ocispec.MediaTypeImageManifest + "; charset=utf-8", false},
		"no type at all":          {imageManifest("", ociConfig, ociLayer), "application/octet-stream", false},
		"zstd":                    {imageManifest("", ociConfig, ocispec.MediaTypeImageLayerZstd), "", false},
		"foreign":                 {imageManifest("", ociConfig, "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"), "", false},
		"index":                   {index, ocispec.MediaTypeImageIndex, true},
		"Docker's list":           {index, mediaTypeDockerList, true},
		"index without any type":  {index, "", true},
		"unknown keys are passed": {strings.Replace(index, "{", `{"newer":[1],`, 1), "", true},
	} {
		doc, err := Parse([]byte(tt.text), tt.contentType)
		if err != nil || (doc.Index != nil) != tt.index || (doc.Manifest != nil) == tt.index {
			t.Errorf("%s: %+v, %v", name, doc, err)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	good := imageManifest(ocispec.MediaTypeImageManifest, ociConfig, ociLayer)
	for name, tt := range map[string]struct {
		text string
		want error
	}{
		"nothing":             {"", ErrMalformed},
		"a list":              {"[]", ErrMalformed},
		"torn":                {good[:len(good)/2], ErrMalformed},
		"index and manifest":  {strings.Replace(good, "{", `{"manifests":[],`, 1), ErrMalformed},
		"two sets of layers":  {strings.Replace(good, "{", `{"Layers":[],`, 1), ErrMalformed},
		"schema 1":            {`{"schemaVersion":1,"fsLayers":[]}`, ErrUnsupported},
		"declared as index":   {strings.Replace(good, ocispec.MediaTypeImageManifest, ocispec.MediaTypeImageIndex, 1), ErrMalformed},
		"another media type":  {strings.Replace(good, ocispec.MediaTypeImageManifest, "text/html", 1), ErrUnsupported},
		"artifact":            {imageManifest("", "application/vnd.cncf.helm.config.v1+json", ociLayer), ErrUnsupported},
		"encrypted layer":     {imageManifest("", ociConfig, ociLayer+"+encrypted"), ErrUnsupported},
		"layer of no tar":     {imageManifest("", ociConfig, "application/wasm"), ErrUnsupported},
		"bad digest":          {strings.Replace(good, d2.String(), "sha256:12", 1), ErrMalformed},
		"unknown algorithm":   {strings.Replace(good, d2.String(), "md5:d41d8cd98f00b204e9800998ecf8427e", 1), ErrMalformed},
		"negative size":       {strings.Replace(good, `"size":3`, `"size":-3`, 1), ErrMalformed},
		"size that is text":   {strings.Replace(good, `"size":3`, `"size":"3"`, 1), ErrMalformed},
		"false embedded data": {strings.Replace(good, `"size":3`, `"size":3,"data":"eHl6"`, 1), ErrMalformed},
		"too many layers":     {strings.Replace(good, `"layers":[`, `"layers":[`+strings.Repeat(fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":1},`, ociLayer, d1), MaxLayers), 1), ErrUnsupported},
		"too many entries":    {`{"manifests":[` + strings.Repeat(fmt.Sprintf(`{"digest":%q,"size":1},`, d1), maxEntries) + fmt.Sprintf(`{"digest":%q}]}`, d1), ErrUnsupported},
	} {
		if doc, err := Parse([]byte(tt.text), ""); !errors.Is(err, tt.want) {
			t.Errorf("%s: %+v, %v; want %v", name, doc, err, tt.want)
		}
	}
}

func TestParseConfigChecksTheLayers(t *testing.T) {
	m := &ocispec.Manifest{Layers: []ocispec.Descriptor{{Digest: d1}, {Digest: d1}}}
	config := `{"architecture":"amd64","os":"linux","config":{"User":"5","Env":["A=B"]},"rootfs":{"type":"layers","diff_ids":[%q,%q]}}`
	c, err := ParseConfig(fmt.Appendf(nil, config, d2, d2), m)
	if err != nil || c.Config.User != "5" || len(c.RootFS.DiffIDs) != 2 {
		t.Errorf("%+v, %v", c, err)
	}
	for name, text := range map[string]string{
		"two diff IDs for a blob": fmt.Sprintf(config, d1, d2),
		"no digest":               fmt.Sprintf(config, "", d2),
		"too few":                 `{"rootfs":{"diff_ids":[]}}`,
		"no JSON":                 `x`,
		"user as a number":        `{"config":{"User":5}}`,
	} {
		if _, err := ParseConfig([]byte(text), m); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func entry(platform string, d digest.Digest) ocispec.Descriptor {
	p := strings.Split(platform+"//", "/")
	desc := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: d}
	if platform != "" {
		desc.Platform = &ocispec.Platform{OS: p[0], Architecture: p[1], Variant: p[2]}
	}
	return desc
}

func TestCandidatesAreOrderedByFitness(t *testing.T) {
	for _, tt := range []struct{ want, offered, got string }{
		{"linux/amd64/v3", "linux/arm64 linux/amd64 linux/amd64/v2", "linux/amd64/v2 linux/amd64"},
		{"linux/amd64", "linux/amd64/v2 linux/386 linux/amd64", "linux/amd64 linux/386"},
		{"linux/arm64", "linux/arm/v6 linux/arm/v7 linux/arm64/v8 linux/arm64", "linux/arm64/v8 linux/arm64 linux/arm/v7 linux/arm/v6"},
		{"linux/arm/v6", "linux/arm/v7 linux/arm/v5 linux/arm/v6", "linux/arm/v6 linux/arm/v5"},
		{"linux/amd64", "Linux/X86_64 windows/amd64", "Linux/X86_64"},
		{"linux/amd64", "unknown/unknown linux/amd64", "linux/amd64"},
		{"linux/s390x", "linux/s390x", "linux/s390x"},
		{"linux/amd64", " linux/amd64", "linux/amd64 "},
		{"linux/riscv64", "linux/amd64 linux/arm64", "error"},
		{"linux/amd64", "unknown/unknown", "error"},
	} {
		var x ocispec.Index
		for _, o := range strings.Split(tt.offered, " ") {
			x.Manifests = append(x.Manifests, entry(o, digest.FromString(o)))
		}
		got, err := Candidates(&x, *entry(tt.want, d1).Platform)
		if tt.got == "error" {
			if !errors.Is(err, ErrNoPlatform) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s in %q: %v, %v", tt.want, tt.offered, got, err)
			}
			continue
		}
		var want []digest.Digest
		for _, w := range strings.Split(tt.got, " ") {
			want = append(want, digest.FromString(w))
		}
		same := len(got) == len(want)
		for i := range min(len(got), len(want)) {
			same = same && got[i].Digest == want[i]
		}
		if !same || err != nil {
			t.Errorf("%s in %q: %v, %v; want %q", tt.want, tt.offered, got, err, tt.got)
		}
	}
}

func TestHostCanRunItsOwnPlatform(t *testing.T) {
	h := Host()
	x := ocispec.Index{Manifests: []ocispec.Descriptor{entry(h.OS+"/"+h.Architecture, d1)}}
	if got, err := Candidates(&x, h); err != nil || len(got) != 1 {
		t.Errorf("%+v: %v, %v", h, got, err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(imageManifest(ocispec.MediaTypeImageManifest, ociConfig, ociLayer)), "")
	f.Add(fmt.Appendf(nil, `{"manifests":[{"digest":%q,"platform":{"os":"linux","architecture":"arm"}}]}`, d1), mediaTypeDockerList)
	f.Fuzz(func(t *testing.T, b []byte, contentType string) {
		doc, err := Parse(b, contentType)
		if err != nil {
			return
		}
		if (doc.Index == nil) == (doc.Manifest == nil) {
			t.Fatalf("%+v", doc)
		}
		if doc.Index != nil {
			_, _ = Candidates(doc.Index, Host())
		}
	})
}

func FuzzParseConfig(f *testing.F) {
	f.Add(fmt.Appendf(nil, `{"rootfs":{"type":"layers","diff_ids":[%q]}}`, d1))
	m := &ocispec.Manifest{Layers: []ocispec.Descriptor{{Digest: d1}}}
	f.Fuzz(func(t *testing.T, b []byte) {
		if c, err := ParseConfig(b, m); err == nil && (len(c.RootFS.DiffIDs) != 1 || c.RootFS.DiffIDs[0].Validate() != nil) {
			t.Errorf("%+v", c)
		}
	})
}
