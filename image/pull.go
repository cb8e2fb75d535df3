// SPDX-License-Identifier: Apache-2.0

package image

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"crisp/image/layer"
	"crisp/image/layerstore"
	"crisp/image/manifest"
	"crisp/image/policy"
	"crisp/image/reference"
	"crisp/image/registry"
	"crisp/image/stack"
)

// PullRequest asks for one image.
type PullRequest struct {
	// Ref is an image name in any form that Docker takes; without tag and digest it means ":latest".
	Ref  string
	Auth *Auth
	// Namespace is the Kubernetes namespace of the pod; the node may have credentials for it.
	Namespace string
	// Platform is chosen from an index; nil means the node's own.
	Platform *ocispec.Platform
}

const (
	// maxConfig bounds an image's configuration.
	maxConfig = 8 << 20
	// maxFetched bounds the manifests and indexes looked at for one image, nested ones and alternatives.
	maxFetched = 16
	// maxDepth bounds how deep indexes may be nested.
	maxDepth = 4
)

// Pull makes the image present and returns it. A short name may mean images of several registries: they are tried in their order.
func (s *Store) Pull(ctx context.Context, r PullRequest) (*Image, error) {
	names, err := s.sources.Names(r.Ref)
	if err != nil {
		return nil, fmt.Errorf("pull %.256q: %w: %w", r.Ref, ErrInvalidReference, err)
	}
	var failed []error
	for _, name := range names {
		image, err := s.pull(ctx, name, r)
		if err == nil || ctx.Err() != nil {
			return image, err
		}
		failed = append(failed, err)
	}
	if len(failed) == 1 {
		return nil, failed[0]
	}
	return nil, errors.Join(failed...)
}

// pull pulls by a full name. It is a joinable job: equal requests at the same time share one pull, and a
// caller whose context ends leaves a job that goes on for a while, for the caller's retry to join.
func (s *Store) pull(ctx context.Context, name string, r PullRequest) (*Image, error) {
	ref, err := reference.Parse(name)
	if err != nil {
		return nil, fmt.Errorf("pull: %w: %w", ErrInvalidReference, err)
	}
	cred, err := r.Auth.credential()
	if err != nil {
		return nil, fmt.Errorf("pull %s: %w", ref, err)
	}
	p := &pull{store: s, ref: ref, cred: cred, namespace: r.Namespace, platform: manifest.Host()}
	if r.Platform != nil {
		p.platform = *r.Platform
		p.asked = r.Platform.OS + "/" + r.Platform.Architecture + "/" + r.Platform.Variant
	}
	key := jobKey{ref: ref.String(), platform: p.asked, credential: cred.Key(), namespace: r.Namespace}
	image, err := s.pulls.do(ctx, key, s.linger, func(ctx context.Context, now *progress) (*Image, error) {
		var err error
		p.progress = now
		if p.repo, err = s.client.Repository(ref, cred); err != nil {
			return nil, err
		}
		p.repo.LookUpCredentials(s.sources.Namespace(r.Namespace, r.Ref))
		im, err := p.run(ctx)
		if errors.Is(err, layerstore.ErrAbsent) {
			im, err = p.run(ctx) // the image was removed in the middle
		}
		return im, err
	})
	if err != nil {
		return nil, fmt.Errorf("pull %s: %w", ref, translate(err))
	}
	return image, nil
}

// pull is one job. It belongs to one goroutine.
type pull struct {
	store     *Store
	repo      *registry.Repository
	ref       reference.Reference
	cred      registry.Credential
	namespace string
	platform  ocispec.Platform
	chosen    digest.Digest // of the manifest, as far as it is known
	asked     string        // the platform as the request names it; "" for the node's own
	progress  *progress
	fetched   int // manifests
}

// run does as little as it can: an image that is here costs one request, which says what the name means now.
func (p *pull) run(ctx context.Context) (*Image, error) {
	s, begun := p.store, time.Now()
	p.progress.enter("asking the registry")
	if im, err := p.unchanged(ctx); im != nil || err != nil {
		return im, err
	}
	m, err := p.repo.Manifest(ctx, p.ref.Target())
	if err != nil {
		return nil, err
	}
	if st := s.index.byManifest(m.Digest, p.asked); st != nil && p.allowed(ctx, m.Digest) == nil {
		return p.name(st.record, m.Digest)
	}
	doc, err := p.choose(ctx, m, 0)
	if err != nil {
		return nil, err
	}
	if err := p.allowed(ctx, m.Digest); err != nil {
		return nil, err
	}
	config, err := p.repo.ReadBlob(ctx, descriptor(doc.Config), maxConfig)
	if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	parsed, err := manifest.ParseConfig(config, doc)
	if err != nil {
		return nil, err
	}
	r := &record{Version: recordVersion, ID: doc.Config.Digest, Config: string(config), Layers: parsed.RootFS.DiffIDs}
	if st := s.index.byID(r.ID.String()); st != nil {
		return p.name(st.record, m.Digest)
	}
	im, err := p.fetch(ctx, r, doc.Layers, m.Digest)
	if err != nil {
		return nil, err
	}
	s.log.Info("image pulled", "image", im.ID, "name", p.ref.String(), "digest", m.Digest, "layers", len(r.Layers), "size", im.Size, "took", time.Since(begun))
	return im, nil
}

// unchanged asks what the name means now, if that may be an image that is here. It returns nil if it is not, or if no host
// can tell: the manifest's own request then says why.
func (p *pull) unchanged(ctx context.Context) (*Image, error) {
	known := p.store.index.byName(p.ref.Canonical())
	if tag, ok := p.ref.Tagged(); ok {
		known = p.store.index.byName(tag)
	}
	if known == nil {
		return nil, nil
	}
	d, err := p.repo.Resolve(ctx, p.ref.Target())
	if err != nil || d == "" {
		return nil, ctx.Err()
	}
	st := p.store.index.byManifest(d, p.asked)
	if st == nil || p.allowed(ctx, d) != nil { // the manifest that an index names may be signed
		return nil, ctx.Err()
	}
	return p.name(st.record, d)
}

// allowed asks the signature policy about what the name means: a manifest, or an index and the manifest that was chosen of it.
func (p *pull) allowed(ctx context.Context, top digest.Digest) error {
	digests := []digest.Digest{top}
	if p.chosen != "" && p.chosen != top {
		digests = append(digests, p.chosen)
	}
	return p.store.policy.Check(ctx, policy.Image{Name: p.ref, Digests: digests, Namespace: p.namespace, Credential: p.cred})
}

// choose follows indexes to the manifest for the platform.
func (p *pull) choose(ctx context.Context, m registry.Manifest, depth int) (*ocispec.Manifest, error) {
	doc, err := manifest.Parse(m.Bytes, m.MediaType)
	if err != nil || doc.Manifest != nil {
		p.chosen = m.Digest
		return doc.Manifest, err
	}
	if depth == maxDepth {
		return nil, fmt.Errorf("%w: indexes are nested deeper than %d", manifest.ErrUnsupported, maxDepth)
	}
	candidates, err := manifest.Candidates(doc.Index, p.platform)
	if err != nil {
		return nil, err
	}
	for _, d := range candidates {
		var chosen *ocispec.Manifest
		if chosen, err = p.candidate(ctx, d, depth); err == nil || !errors.Is(err, manifest.ErrNoPlatform) {
			return chosen, err
		}
	}
	return nil, err
}

func (p *pull) candidate(ctx context.Context, d ocispec.Descriptor, depth int) (*ocispec.Manifest, error) {
	if p.fetched++; p.fetched > maxFetched {
		return nil, fmt.Errorf("%w: more than %d manifests to look at", manifest.ErrUnsupported, maxFetched)
	}
	m, err := p.repo.Manifest(ctx, d.Digest.String())
	if err != nil {
		return nil, err
	}
	if int64(len(m.Bytes)) != d.Size {
		return nil, fmt.Errorf("%w: manifest %s has %d bytes, the index says %d", ErrDigest, d.Digest, len(m.Bytes), d.Size)
	}
	if m.MediaType == "" || d.MediaType != "" {
		m.MediaType = d.MediaType
	}
	return p.choose(ctx, m, depth+1)
}

func descriptor(d ocispec.Descriptor) registry.Descriptor {
	return registry.Descriptor{Digest: d.Digest, Size: d.Size}
}

// fetch gets all layers at the same time, makes them durable, and then the record. The references to the layers go to the record.
func (p *pull) fetch(ctx context.Context, r *record, layers []ocispec.Descriptor, top digest.Digest) (*Image, error) {
	s := p.store
	if err := p.checkSpace(r, layers); err != nil {
		return nil, err
	}
	taken := make([]bool, len(layers))
	defer func() {
		for i, ok := range taken {
			if ok {
				s.layers.Release([]digest.Digest{r.Layers[i]})
			}
		}
	}()
	coming := make([]*transfer, len(layers))
	for i, l := range layers {
		coming[i] = s.coming.take(r.Layers[i], l)
		defer s.coming.drop(r.Layers[i])
	}
	p.progress.fetching(coming)
	g, gctx := errgroup.WithContext(ctx)
	for i, l := range layers {
		g.Go(func() error {
			err := s.layers.Acquire(gctx, r.Layers[i], p.build(l, r.Layers[i], coming[i]))
			taken[i] = err == nil
			coming[i].here.Store(err == nil)
			if err != nil {
				return fmt.Errorf("layer %d (%s): %w", i, l.Digest, err)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	p.progress.enter("making durable")
	if err := p.repair(ctx, r); err != nil {
		return nil, err
	}
	if r.Repair != "" {
		defer s.layers.Release([]digest.Digest{r.Repair})
	}
	if err := s.layers.Commit(r.allLayers()); err != nil {
		return nil, err
	}
	return p.name(r, top)
}

// build is how a layer comes to be: one stream from the registry to its directory.
func (p *pull) build(l ocispec.Descriptor, diffID digest.Digest, t *transfer) func(context.Context, *os.File) (layer.Summary, error) {
	return func(ctx context.Context, root *os.File) (layer.Summary, error) {
		body, err := p.repo.Blob(ctx, descriptor(l))
		if err != nil {
			return layer.Summary{}, err
		}
		sum, err := layer.Unpack(ctx, layer.Source{Blob: t.of(body), Digest: l.Digest, Size: l.Size, DiffID: diffID}, root, p.store.limits)
		if sum.DroppedXattrs > 0 {
			p.store.log.Warn("layer has extended attributes that were not taken over", "name", p.ref.String(), "layer", l.Digest, "count", sum.DroppedXattrs)
		}
		return sum, err
	}
}

// repair makes the layer that the stack needs on top, if it needs one, and takes a reference to it.
func (p *pull) repair(ctx context.Context, r *record) error {
	layers, err := p.store.stackOf(r.Layers)
	if err != nil {
		return err
	}
	found, err := stack.Find(layers)
	if err != nil || found.None() {
		return err
	}
	// It follows from the layers, and it is no layer of any image: its name is the digest of what it is for.
	id := digest.FromString("repair of " + r.ID.String())
	err = p.store.layers.Acquire(ctx, id, func(_ context.Context, root *os.File) (layer.Summary, error) {
		return found.Build(layers, root)
	})
	if err == nil {
		r.Repair = id
	}
	return err
}

// checkSpace refuses an image that cannot fit, before the first byte: unpacked, layers are hardly ever smaller than packed.
func (p *pull) checkSpace(r *record, layers []ocispec.Descriptor) error {
	var need uint64
	for i, l := range layers {
		if !p.store.layers.Has(r.Layers[i]) {
			need += uint64(l.Size)
		}
	}
	var st unix.Statfs_t
	if err := unix.Statfs(p.store.root, &st); err != nil {
		return fmt.Errorf("statfs %s: %w", p.store.root, err)
	}
	if have := st.Bavail * uint64(st.Bsize); need > have {
		return fmt.Errorf("%d bytes of compressed layers do not fit into the %d bytes free in %s: %w", need, have, p.store.root, unix.ENOSPC)
	}
	return nil
}

// name gives the image the names by which it was pulled, and shows it. The tag is taken from the image that had it.
func (p *pull) name(r *record, top digest.Digest) (*Image, error) {
	s := p.store
	s.changing.Lock()
	defer s.changing.Unlock()
	have := s.index.byID(r.ID.String())
	if have != nil {
		r = have.record // as it is now
	} else if err := s.layers.Retain(r.allLayers()); err != nil {
		return nil, err // an image that was here has been removed in the moment between
	}
	next := *r
	next.Removed = false
	tag, tagged := p.ref.Tagged()
	old := s.index.byName(tag)
	if have == nil || !p.named(r, top) {
		now := time.Now().UnixNano()
		next.give(name{Ref: p.ref.WithDigest(top), At: now, Platform: p.asked})
		if tagged {
			next.give(name{Ref: tag, At: now})
		}
		if err := s.save(&next); err != nil {
			if have == nil {
				s.layers.Release(r.allLayers())
			}
			return nil, err
		}
	}
	if tagged && old != nil && old.record.ID != r.ID {
		without := *old.record
		without.drop(name{Ref: tag})
		if err := s.save(&without); err != nil {
			return nil, err
		}
	}
	return s.index.byID(r.ID.String()).image, nil
}

// named says whether the record has the names already, so that nothing has to be written.
func (p *pull) named(r *record, top digest.Digest) bool {
	want := map[string]bool{p.ref.WithDigest(top): true}
	if tag, ok := p.ref.Tagged(); ok {
		want[tag] = true
	}
	for _, n := range r.Names {
		if want[n.Ref] && (!n.isDigest() || n.Platform == p.asked) {
			delete(want, n.Ref)
		}
	}
	return len(want) == 0 && !r.Removed
}
