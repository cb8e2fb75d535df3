// SPDX-License-Identifier: Apache-2.0

package images

import (
	"bytes"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"
)

// Registry serves images by the distribution specification's pull calls:
//
//	GET|HEAD /v2/                            200
//	GET|HEAD /v2/PATH/manifests/TAG|DIGEST   the manifest or index
//	GET|HEAD /v2/PATH/blobs/DIGEST           a config or a layer, ranges included
type Registry struct {
	// mu guards what a repository holds.
	mu           sync.RWMutex
	repositories map[string]*repository
}

type repository struct {
	tags  map[string]digest.Digest
	blobs map[digest.Digest]blob
}

// NewRegistry is an empty one.
func NewRegistry() *Registry { return &Registry{repositories: map[string]*repository{}} }

// Tag adds the image to the repository at path, under a tag.
func (r *Registry) Tag(path, tag string, img *Image) {
	r.mu.Lock()
	defer r.mu.Unlock()
	repo := r.repositories[path]
	if repo == nil {
		repo = &repository{tags: map[string]digest.Digest{}, blobs: map[digest.Digest]blob{}}
		r.repositories[path] = repo
	}
	repo.tags[tag] = img.Descriptor.Digest
	for d, b := range img.blobs {
		repo.blobs[d] = b
	}
}

// ServeHTTP implements http.Handler.
func (r *Registry) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
	if req.Method != http.MethodGet && req.Method != http.MethodHead {
		http.Error(w, "this registry is only read", http.StatusMethodNotAllowed)
		return
	}
	if req.URL.Path == "/v2/" {
		return
	}
	d, b, ok := r.find(req.URL.Path)
	if !ok {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusNotFound)
		_, _ = w.Write([]byte(`{"errors":[{"code":"MANIFEST_UNKNOWN","message":"not found"}]}`))
		return
	}
	w.Header().Set("Content-Type", b.mediaType)
	w.Header().Set("Docker-Content-Digest", d.String())
	http.ServeContent(w, req, "", time.Time{}, bytes.NewReader(b.data))
}

// find resolves /v2/PATH/manifests/REF and /v2/PATH/blobs/DIGEST; PATH has slashes of its own.
func (r *Registry) find(path string) (digest.Digest, blob, bool) {
	path, ok := strings.CutPrefix(path, "/v2/")
	slash := strings.LastIndexByte(path, '/')
	if !ok || slash < 0 {
		return "", blob{}, false
	}
	path, ref := path[:slash], path[slash+1:]
	name, manifest := strings.CutSuffix(path, "/manifests")
	if !manifest {
		name, ok = strings.CutSuffix(path, "/blobs")
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	repo := r.repositories[name]
	if repo == nil || !ok {
		return "", blob{}, false
	}
	d := digest.Digest(ref)
	if tagged, ok := repo.tags[ref]; ok && manifest {
		d = tagged
	}
	b, ok := repo.blobs[d]
	return d, b, ok
}
