// SPDX-License-Identifier: Apache-2.0

package image

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"

	"crisp/image/layer"
	"crisp/image/layerstore"
	"crisp/image/overlay"
	"crisp/image/policy"
	"crisp/image/registries"
	"crisp/image/registry"
	"crisp/image/stack"
)

// Config says where a Store lives and how it behaves. Zero values mean the defaults.
type Config struct {
	// Root is the store's directory (/var/lib/crisp/images). It is made if missing.
	Root string
	// RegistryDir has one directory a registry with a hosts.toml in it, in containerd's certs.d form. "" means no configuration.
	RegistryDir string
	// Registries are the files of containers' tools, for registries without a hosts.toml; the zero value means none.
	Registries registries.Config
	// Policy says which images may be pulled, by their signatures; the zero value means all.
	Policy policy.Config
	// MaxDownloads bounds the layers that are downloaded and unpacked at the same time; default 6.
	MaxDownloads int
	// Pinned are patterns of images that the kubelet must not collect: a full name with or without tag, "prefix*" or "*part*".
	Pinned []string
	// Limits bound what a layer may cost; default layer.DefaultLimits.
	Limits *layer.Limits
	// UserAgent is what registries are told; default "crisp".
	UserAgent string
	// StallTimeout is how long a registry may send nothing; default 30 s.
	StallTimeout time.Duration
	// Linger is how long a pull goes on after its last caller has given up; default 2 minutes.
	Linger time.Duration
	// SyncRootfs mounts root filesystems so that a container's fsync reaches the disk. Default is that it does not: a container
	// never starts again after a reboot, so that nobody would ever read what was synced, and without it the kernel
	// syncs the whole disk each time that a container ends. Volumes are not concerned. See package overlay.
	SyncRootfs bool
	// Step is told of each step of pulls and removals before it is taken; tests end the process there.
	Step func(name string)
	// Log gets what no caller can be told; default slog.Default.
	Log *slog.Logger
}

// Store is the node's image store. It is safe for concurrent use.
type Store struct {
	root    string
	pinned  []string
	limits  layer.Limits
	sync    bool // Config.SyncRootfs
	linger  time.Duration
	log     *slog.Logger
	index   *index
	records recordDir
	layers  *layerstore.Store
	mounter *overlay.Mounter
	client  *registry.Client
	sources *registries.Registries
	policy  *policy.Policy
	pulls   jobs
	coming  transfers

	// changing makes changes of records follow each other; it is held while they are written. It also guards holds.
	changing sync.Mutex
	holds    holds
}

// Open recovers the store in c.Root and serves it: half-made layers of a crash are dropped, records are read into memory.
func Open(ctx context.Context, c Config) (*Store, error) {
	s := &Store{root: c.Root, pinned: c.Pinned, sync: c.SyncRootfs, linger: c.Linger, log: c.Log, index: newIndex(), limits: layer.DefaultLimits()}
	if s.log == nil {
		s.log = slog.Default()
	}
	if c.Limits != nil {
		s.limits = *c.Limits
	}
	if s.linger == 0 {
		s.linger = 2 * time.Minute
	}
	s.records = recordDir{filepath.Join(c.Root, "records"), c.Step}
	s.mounter = &overlay.Mounter{Scratch: filepath.Join(c.Root, "empty", "mnt")}
	if err := s.makeDirs(); err != nil {
		return nil, fmt.Errorf("open image store: %w", err)
	}
	var err error
	if s.layers, err = layerstore.Open(layerstore.Config{Root: c.Root, MaxBuilds: c.MaxDownloads, Log: s.log, Step: c.Step}); err != nil {
		return nil, fmt.Errorf("open image store: %w", err)
	}
	if err := s.load(); err != nil {
		s.layers.Close()
		return nil, fmt.Errorf("open image store: %w", err)
	}
	s.layers.Sweep()
	c.Registries.Log = s.log
	s.sources = registries.New(c.Registries)
	c.Policy.System = s.sources.System
	s.policy = policy.New(c.Policy)
	s.client = registry.New(registry.Config{
		Dir: c.RegistryDir, Sources: s.sources.Sources, Credentials: s.sources.Credential,
		UserAgent: c.UserAgent, Stall: c.StallTimeout, Log: s.log,
	})
	s.pulls.start()
	return s, ctx.Err()
}

// makeDirs makes the store's directories. 0700, as for the layers: see layerstore.Open.
func (s *Store) makeDirs() error {
	for _, dir := range append(s.empty(), s.mounter.Scratch, s.records.path) {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	// Of an image without a file of its own they are what is to be seen as "/".
	for _, dir := range s.empty() {
		if err := os.Chmod(dir, 0o755); err != nil {
			return err
		}
	}
	return os.Chmod(s.root, 0o700)
}

// empty are directories in which nothing ever is, to stack below an image that has too few layers for the kernel.
func (s *Store) empty() []string {
	return []string{filepath.Join(s.root, "empty", "1"), filepath.Join(s.root, "empty", "2")}
}

// load reads the records and takes a reference to each image's layers. An image that has lost a layer is dropped: it has to be
// pulled again, and a record would say that it need not.
func (s *Store) load() error {
	records, damaged, err := s.records.readAll()
	if err != nil {
		return err
	}
	for _, err := range damaged {
		s.log.Error("damaged image record is ignored; the image must be pulled again", "error", err)
	}
	for _, r := range latestNames(records) {
		if err := s.layers.Retain(r.allLayers()); err != nil {
			s.log.Error("image has lost a layer and must be pulled again", "image", r.ID, "names", r.Names, "error", err)
			if err := s.records.remove(r.ID); err != nil {
				return err
			}
			continue
		}
		st, err := s.assemble(r)
		if err != nil {
			s.log.Error("image record is ignored", "image", r.ID, "error", err)
			s.layers.Release(r.allLayers())
			continue
		}
		s.index.put(st)
	}
	return nil
}

// latestNames leaves each name to the record that got it last: a crash may have come between giving a tag to one image and
// taking it from the other.
func latestNames(records []*record) []*record {
	type owner struct {
		r *record
		n name
	}
	owners := map[string]owner{}
	for _, r := range records {
		for _, n := range r.Names {
			key := n.Ref + " " + n.Platform
			old, ok := owners[key]
			if ok && old.n.At > n.At {
				r.drop(n)
				continue
			}
			if ok {
				old.r.drop(n)
			}
			owners[key] = owner{r, n}
		}
	}
	return records
}

// assemble makes what is kept in memory of a record whose layers are there.
func (s *Store) assemble(r *record) (*stored, error) {
	config, err := r.config()
	if err != nil {
		return nil, err
	}
	st := &stored{record: r, root: layer.Attr{Mode: 0o755}}
	im := &Image{ID: r.ID.String(), Config: config, Layers: r.Layers, Size: uint64(len(r.Config)), Pinned: pinned(s.pinned, r.Names)}
	for _, n := range r.Names {
		if n.isDigest() {
			if !slices.Contains(im.RepoDigests, n.Ref) { // for several platforms
				im.RepoDigests = append(im.RepoDigests, n.Ref)
			}
		} else {
			im.RepoTags = append(im.RepoTags, n.Ref)
		}
	}
	layers, err := s.stackOf(r.Layers)
	if err != nil {
		return nil, err
	}
	counted := map[string]bool{}
	for _, l := range layers {
		if !counted[l.Dir] {
			counted[l.Dir] = true
			im.Size += l.Summary.Bytes
		}
	}
	st.image = im
	return st, s.fillStack(st, layers)
}

// stackOf describes layers, base first, in the order given.
func (s *Store) stackOf(ids []digest.Digest) ([]stack.Layer, error) {
	var out []stack.Layer
	for _, id := range ids {
		l, err := s.layers.Get(id)
		if err != nil {
			return nil, err
		}
		out = append(out, stack.Layer(l))
	}
	return out, nil
}

// fillStack finds the directories to mount, and the attributes of "/": those of the highest layer that lists it.
func (s *Store) fillStack(st *stored, layers []stack.Layer) error {
	if st.record.Repair != "" {
		l, err := s.layers.Get(st.record.Repair)
		if err != nil {
			return err
		}
		st.lower = append(st.lower, l.Dir)
		st.image.Size += l.Summary.Bytes
		layers = append(layers, stack.Layer(l))
	}
	own := len(st.record.Layers)
	for _, i := range stack.Lower(layers[:own]) {
		st.lower = append(st.lower, layers[i].Dir)
	}
	for i := len(layers) - 1; i >= 0; i-- {
		if a := layers[i].Summary.Root; a != nil {
			st.root = *a
			break
		}
		if layers[i].Summary.Opaque {
			break
		}
	}
	return nil
}

// Close stops pulls and background work and waits for them.
func (s *Store) Close() error {
	s.pulls.stop()
	s.layers.Close()
	s.client.Close()
	return nil
}

// List returns all images, sorted by ID, from memory.
func (s *Store) List() []*Image { return s.index.list() }

// Get finds an image by ID ("sha256:…" or bare hex), tag, digest, name:tag@digest, short name, or unique ID prefix. ErrNotFound if there is none.
func (s *Store) Get(ref string) (*Image, error) {
	st := s.find(ref)
	if st == nil {
		return nil, fmt.Errorf("%w: %.256q", ErrNotFound, ref)
	}
	return st.image, nil
}

// Usage is what the store takes on its file system.
type Usage struct {
	Mountpoint    string
	Bytes, Inodes uint64
}

// Usage adds up the recorded sizes of all layers; nothing on disk is walked.
func (s *Store) Usage(ctx context.Context) (Usage, error) {
	bytes, inodes := s.layers.Usage()
	return Usage{Mountpoint: s.root, Bytes: bytes, Inodes: inodes}, ctx.Err()
}
