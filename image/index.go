// SPDX-License-Identifier: Apache-2.0

package image

import (
	"cmp"
	"slices"
	"strings"
	"sync"

	"github.com/opencontainers/go-digest"

	"crisp/image/layer"
	"crisp/image/reference"
)

// index is what all reads are answered from. Nobody holds its lock over anything slow.
type index struct {
	// mu guards the fields below. What they point to does not change: an image that changes is replaced.
	mu     sync.RWMutex
	images map[string]*stored // by ID; removed ones too
	names  map[string]string  // full tag or full digest name to ID
	// manifests leads from the digest of a manifest or index, and the platform asked for, to the ID.
	manifests map[manifestKey]string
	sorted    []*Image // the answer to List; nil when it has to be made anew
}

type manifestKey struct {
	digest   digest.Digest
	platform string
}

// stored is an image with its record.
type stored struct {
	record *record
	image  *Image
	lower  []string   // directories for overlayfs, the top one first
	root   layer.Attr // of "/"
}

func newIndex() *index {
	return &index{images: map[string]*stored{}, names: map[string]string{}, manifests: map[manifestKey]string{}}
}

// put adds an image or replaces it.
func (x *index) put(s *stored) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.forget(s.image.ID)
	x.images[s.image.ID] = s
	for _, n := range s.record.Names {
		if n.Platform == "" || x.names[n.Ref] == "" { // an index means the node's own platform, if nobody says which
			x.names[n.Ref] = s.image.ID
		}
		if _, d, ok := strings.Cut(n.Ref, "@"); ok {
			x.manifests[manifestKey{digest.Digest(d), n.Platform}] = s.image.ID
		}
	}
}

func (x *index) remove(id string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.forget(id)
}

// forget drops the image and the names that lead to it. A name that has moved to another image stays.
func (x *index) forget(id string) {
	x.sorted = nil
	old := x.images[id]
	if old == nil {
		return
	}
	delete(x.images, id)
	for _, n := range old.record.Names {
		if x.names[n.Ref] == id {
			delete(x.names, n.Ref)
		}
		if _, d, ok := strings.Cut(n.Ref, "@"); ok {
			if k := (manifestKey{digest.Digest(d), n.Platform}); x.manifests[k] == id {
				delete(x.manifests, k)
			}
		}
	}
}

func (x *index) byID(id string) *stored {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.images[id]
}

// inUse is the image with this ID, also a removed one, or the one that a name means.
func (x *index) inUse(ref string) *stored {
	if s := x.byID(ref); s != nil {
		return s
	}
	return x.find(ref)
}

func (x *index) byName(ref string) *stored {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.images[x.names[ref]]
}

func (x *index) byManifest(d digest.Digest, platform string) *stored {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.images[x.manifests[manifestKey{d, platform}]]
}

// all returns every image, removed ones too.
func (x *index) all() []*stored {
	x.mu.RLock()
	defer x.mu.RUnlock()
	out := make([]*stored, 0, len(x.images))
	for _, s := range x.images {
		out = append(out, s)
	}
	return out
}

// list returns the images that are not removed, sorted by ID.
func (x *index) list() []*Image {
	x.mu.RLock()
	sorted := x.sorted
	x.mu.RUnlock()
	if sorted == nil {
		x.mu.Lock()
		defer x.mu.Unlock()
		sorted = []*Image{}
		for _, s := range x.images {
			if !s.record.Removed {
				sorted = append(sorted, s.image)
			}
		}
		slices.SortFunc(sorted, func(a, b *Image) int { return cmp.Compare(a.ID, b.ID) })
		x.sorted = sorted
	}
	return slices.Clone(sorted)
}

// minPrefix is how many digits of an ID name an image.
const minPrefix = 3

// find looks a reference up as the CRI demands: by ID, tag, digest, tag and digest, short name, or the beginning of an ID.
func (x *index) find(ref string) *stored {
	x.mu.RLock()
	defer x.mu.RUnlock()
	s := x.images[ref]
	if s == nil {
		s = x.images["sha256:"+ref]
	}
	if s == nil {
		s = x.findName(ref)
	}
	if s == nil {
		s = x.findPrefix(strings.TrimPrefix(ref, "sha256:"))
	}
	if s == nil || s.record.Removed {
		return nil
	}
	return s
}

func (x *index) findName(ref string) *stored {
	if d := digest.Digest(ref); d.Validate() == nil { // of a manifest, without a name
		return x.images[x.manifests[manifestKey{digest: d}]]
	}
	r, err := reference.Parse(ref)
	if err != nil {
		return nil
	}
	if r.Digest == "" {
		return x.images[x.names[r.Name()+":"+r.Tag]]
	}
	return x.images[x.names[r.Canonical()]]
}

func (x *index) findPrefix(hex string) *stored {
	if len(hex) < minPrefix || strings.Trim(hex, "0123456789abcdef") != "" {
		return nil
	}
	var found *stored
	for id, s := range x.images {
		if strings.HasPrefix(id, "sha256:"+hex) && !s.record.Removed {
			if found != nil {
				return nil // ambiguous
			}
			found = s
		}
	}
	return found
}

// find looks a reference up by all names that it may mean on this node, and then as it stands.
func (s *Store) find(ref string) *stored {
	if digest.Digest(ref).Validate() == nil {
		return s.index.find(ref) // an ID: no configuration has to be looked at
	}
	names, err := s.sources.Names(ref)
	if err == nil {
		for _, name := range names {
			if st := s.index.find(name); st != nil {
				return st
			}
		}
	}
	return s.index.find(ref)
}

// pinned says whether one of the patterns stands for one of the names: "name", "prefix*" or "*part*".
func pinned(patterns []string, names []name) bool {
	return slices.ContainsFunc(names, func(n name) bool {
		bare, _, _ := strings.Cut(n.Ref, "@")
		if i := strings.LastIndexByte(bare, ':'); i > strings.LastIndexByte(bare, '/') {
			bare = bare[:i]
		}
		return slices.ContainsFunc(patterns, func(p string) bool { return matches(p, n.Ref) || matches(p, bare) })
	})
}

func matches(pattern, name string) bool {
	part := strings.Trim(pattern, "*")
	switch {
	case part == "":
		return false // "*" would pin everything, by mistake more often than not
	case strings.HasPrefix(pattern, "*") && strings.HasSuffix(pattern, "*"):
		return strings.Contains(name, part)
	case strings.HasSuffix(pattern, "*"):
		return strings.HasPrefix(name, part)
	}
	return pattern == name
}
