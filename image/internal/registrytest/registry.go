// SPDX-License-Identifier: Apache-2.0

package registrytest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"
)

// Registry is a registry on 127.0.0.1 that holds its content in memory.
type Registry struct {
	server *httptest.Server
	// Host is its address as it stands in image names: "127.0.0.1:41234".
	Host string
	// Intercept, if set, sees each request first and returns true if it has answered. Set it before the first request.
	Intercept func(w http.ResponseWriter, r *http.Request) bool
	// Auth, if set, guards everything below /v2/. Set it before the first request.
	Auth *Auth
	// NoRanges makes the registry ignore Range, OpenRanges only where it ends.
	NoRanges, OpenRanges bool

	// mu guards the fields below.
	mu        sync.Mutex
	blobs     map[digest.Digest][]byte
	manifests map[string]manifest // "repo:tag" and "repo@digest"
	requests  []string
}

type manifest struct {
	bytes     []byte
	mediaType string
	digest    digest.Digest
}

// New starts a registry that speaks http and ends with the test.
func New(t testing.TB) *Registry { return start(t, false) }

// NewTLS starts one that speaks https with httptest's certificate, which Certificate returns.
func NewTLS(t testing.TB) *Registry { return start(t, true) }

func start(t testing.TB, tls bool) *Registry {
	r := &Registry{blobs: map[digest.Digest][]byte{}, manifests: map[string]manifest{}}
	if r.server = httptest.NewUnstartedServer(r); tls {
		r.server.StartTLS()
	} else {
		r.server.Start()
	}
	_, r.Host, _ = strings.Cut(r.server.URL, "://")
	t.Cleanup(func() {
		r.server.CloseClientConnections()
		r.server.Close()
	})
	return r
}

// URL is "http://127.0.0.1:41234".
func (r *Registry) URL() string { return r.server.URL }

// Certificate is the DER form of the TLS certificate.
func (r *Registry) Certificate() []byte { return r.server.Certificate().Raw }

// Blob stores a blob.
func (r *Registry) Blob(b []byte) digest.Digest {
	r.mu.Lock()
	defer r.mu.Unlock()
	d := digest.FromBytes(b)
	r.blobs[d] = b
	return d
}

// Manifest stores a manifest in a repository, under its digest and the tags.
func (r *Registry) Manifest(repo, mediaType string, b []byte, tags ...string) digest.Digest {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := manifest{bytes: b, mediaType: mediaType, digest: digest.FromBytes(b)}
	r.manifests[repo+"@"+m.digest.String()] = m
	for _, t := range tags {
		r.manifests[repo+":"+t] = m
	}
	return m.digest
}

// Requests returns and forgets what was asked: "GET /v2/repo/manifests/latest".
func (r *Registry) Requests() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	q := r.requests
	r.requests = nil
	return q
}

func (r *Registry) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	r.mu.Lock()
	r.requests = append(r.requests, q.Method+" "+q.URL.Path)
	r.mu.Unlock()
	if r.Intercept != nil && r.Intercept(w, q) {
		return
	}
	if r.Auth != nil && !r.Auth.allow(w, q, r.server.URL) {
		return
	}
	r.ServeContent(w, q)
}

// ServeContent answers as if there were no Intercept and no Auth.
func (r *Registry) ServeContent(w http.ResponseWriter, q *http.Request) {
	path, ok := strings.CutPrefix(q.URL.Path, "/v2/")
	if !ok {
		Fail(w, 404, "UNSUPPORTED", "no such path")
		return
	}
	if repo, ref, ok := cutLast(path, "/manifests/"); ok {
		r.serveManifest(w, q, repo, ref)
	} else if _, d, ok := cutLast(path, "/blobs/"); ok {
		r.serveBlob(w, q, digest.Digest(d))
	} else if path != "" {
		Fail(w, 404, "NAME_UNKNOWN", "no such repository")
	}
}

func cutLast(s, sep string) (before, after string, ok bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return "", "", false
	}
	return s[:i], s[i+len(sep):], true
}

// Fail answers with an error in the specification's form.
func Fail(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"errors":[{"code":%q,"message":%q}]}`, code, message)
}

func (r *Registry) serveManifest(w http.ResponseWriter, q *http.Request, repo, ref string) {
	key := repo + ":" + ref
	if strings.Contains(ref, ":") {
		key = repo + "@" + ref
	}
	r.mu.Lock()
	m, ok := r.manifests[key]
	r.mu.Unlock()
	if !ok {
		Fail(w, 404, "MANIFEST_UNKNOWN", "no such manifest")
		return
	}
	w.Header().Set("Content-Type", m.mediaType)
	w.Header().Set("Docker-Content-Digest", m.digest.String())
	w.Header().Set("Content-Length", strconv.Itoa(len(m.bytes)))
	if q.Method != http.MethodHead {
		_, _ = w.Write(m.bytes)
	}
}

func (r *Registry) serveBlob(w http.ResponseWriter, q *http.Request, d digest.Digest) {
	r.mu.Lock()
	b, ok := r.blobs[d]
	r.mu.Unlock()
	if !ok {
		Fail(w, 404, "BLOB_UNKNOWN", "no such blob")
		return
	}
	total := len(b)
	var from, last int
	if n, _ := fmt.Sscanf(q.Header.Get("Range"), "bytes=%d-%d", &from, &last); n >= 1 && !r.NoRanges {
		if from >= total {
			w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
			return
		}
		if n == 1 || r.OpenRanges {
			last = total - 1
		}
		b = b[from : last+1]
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, last, total))
		w.Header().Set("Content-Length", strconv.Itoa(len(b)))
		w.WriteHeader(http.StatusPartialContent)
	} else {
		w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	}
	_, _ = w.Write(b)
}
