// SPDX-License-Identifier: Apache-2.0

package reference

import (
	"errors"
	"strings"
	"testing"
)

const hex64 = "9700f9a2f5bf2c45f2f605a0bd3bce7cf37420ec9d3ed50ac2758413308766bf"

func TestParseFillsInWhatDockerFillsIn(t *testing.T) {
	for in, want := range map[string]string{
		"busybox":                                "docker.io/library/busybox:latest",
		"busybox:1.36":                           "docker.io/library/busybox:1.36",
		"foo/bar":                                "docker.io/foo/bar:latest",
		"index.docker.io/library/busybox":        "docker.io/library/busybox:latest",
		"localhost/x":                            "localhost/x:latest",
		"localhost:5000/x":                       "localhost:5000/x:latest",
		"127.0.0.1:5000/a/b/c:v1":                "127.0.0.1:5000/a/b/c:v1",
		"[::1]:5000/a:v1":                        "[::1]:5000/a:v1",
		"registry.k8s.io/pause:3.9":              "registry.k8s.io/pause:3.9",
		"gcr.io/x@sha256:" + hex64:               "gcr.io/x@sha256:" + hex64,
		"gcr.io/x:t@sha256:" + hex64:             "gcr.io/x:t@sha256:" + hex64,
		"gcr.io/k8s-staging/hostnet-nginx-amd64": "gcr.io/k8s-staging/hostnet-nginx-amd64:latest",
	} {
		r, err := Parse(in)
		if err != nil {
			t.Errorf("Parse(%q): %v", in, err)
			continue
		}
		if r.String() != want {
			t.Errorf("Parse(%q) = %s, want %s", in, r, want)
		}
	}
}

func TestParseRefusesWhatIsNoName(t *testing.T) {
	for _, in := range []string{
		"", ":", "@", "UPPER", "a b", "a//b", "x:", "x@", "x@sha256:12", "x@md5:" + hex64[:32], hex64, "-x", "x/../y", "http://x/y",
		strings.Repeat("a", 300), strings.Repeat("a", 5000), "x:" + strings.Repeat("t", 129), "x\n", "x\x00",
	} {
		if r, err := Parse(in); !errors.Is(err, ErrInvalid) {
			t.Errorf("Parse(%.80q) = %v, %v; want ErrInvalid", in, r, err)
		}
	}
}

func TestDigestWinsOverTag(t *testing.T) {
	r, err := Parse("busybox:1.36@sha256:" + hex64)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := r.Tagged(); ok {
		t.Error("a reference with a digest has a tag of its own")
	}
	if got, want := r.Canonical(), "docker.io/library/busybox@sha256:"+hex64; got != want {
		t.Errorf("Canonical() = %s, want %s", got, want)
	}
	if r.Target() != "sha256:"+hex64 {
		t.Errorf("Target() = %s", r.Target())
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"busybox", "a/b:c", "x@sha256:" + hex64, "127.0.0.1:5000/a", "[::1]:1/a", "a:b@sha512:" + hex64 + hex64} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := Parse(s)
		if err != nil {
			return
		}
		again, err := Parse(r.String())
		if err != nil || again != r {
			t.Errorf("Parse(%q) = %#v, but its String %q gives %#v, %v", s, r, r.String(), again, err)
		}
		if r.Domain == "" || r.Path == "" || r.Tag == "" && r.Digest == "" || strings.Contains(r.Path, "..") {
			t.Errorf("Parse(%q) = %#v", s, r)
		}
	})
}
