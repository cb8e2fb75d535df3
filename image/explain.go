// SPDX-License-Identifier: Apache-2.0

package image

import (
	"context"
	"fmt"
	"time"

	"crisp/image/manifest"
	"crisp/image/policy"
	"crisp/image/reference"
	"crisp/image/registry"
)

// Explanation is what a pull would do, without doing it. It has no secret.
type Explanation struct {
	// Names are the full names that are tried in their order; more than one for a short name that is searched.
	Names []NameExplanation
	// Platform is what is chosen from an index: "linux/amd64".
	Platform string
}

// NameExplanation is about one full name.
type NameExplanation struct {
	Name string
	// Here is the ID of the image that has the name now, "" if none.
	Here  string `json:",omitempty"`
	Hosts []registry.HostExplanation
	// Policy says whether signatures are asked for: "accepted", "rejected: …", "signatures are asked for".
	Policy string
	Error  string `json:",omitempty"` // why it cannot be pulled
}

// Explain says what a pull would ask, and whom.
func (s *Store) Explain(ctx context.Context, r PullRequest) (*Explanation, error) {
	names, err := s.sources.Names(r.Ref)
	if err != nil {
		return nil, fmt.Errorf("%.256q: %w", r.Ref, err)
	}
	p := manifest.Host()
	e := &Explanation{Platform: p.OS + "/" + p.Architecture}
	if p.Variant != "" {
		e.Platform += "/" + p.Variant
	}
	for _, name := range names {
		e.Names = append(e.Names, s.explain(ctx, name, r))
	}
	return e, nil
}

func (s *Store) explain(ctx context.Context, name string, r PullRequest) NameExplanation {
	n := NameExplanation{Name: name}
	ref, err := reference.Parse(name)
	if err != nil {
		n.Error = err.Error()
		return n
	}
	n.Name = ref.String()
	if st := s.index.find(n.Name); st != nil {
		n.Here = st.image.ID
	}
	cred, err := r.Auth.credential()
	if err != nil {
		n.Error = err.Error()
		return n
	}
	repo, err := s.client.Repository(ref, cred)
	if err != nil {
		n.Error = err.Error()
		return n
	}
	repo.LookUpCredentials(s.sources.Namespace(r.Namespace, r.Ref))
	n.Hosts = repo.Explain()
	n.Policy = s.policy.Explain(ctx, policy.Image{Name: ref, Namespace: r.Namespace})
	return n
}

// tellEvery is how often Fetch tells how far it is.
const tellEvery = 250 * time.Millisecond

// Fetch is Pull, and tells now and then how far it is.
func (s *Store) Fetch(ctx context.Context, r PullRequest, tell func(PullProgress)) (*Image, error) {
	type result struct {
		image *Image
		err   error
	}
	done := make(chan result, 1)
	go func() {
		im, err := s.Pull(ctx, r)
		done <- result{im, err}
	}()
	tick := time.NewTicker(tellEvery)
	defer tick.Stop()
	for {
		select {
		case r := <-done:
			return r.image, r.err
		case <-tick.C:
			s.tellOf(r.Ref, tell)
		}
	}
}

// tellOf tells of the pulls that a name may mean.
func (s *Store) tellOf(name string, tell func(PullProgress)) {
	names, err := s.sources.Names(name)
	if err != nil {
		return
	}
	for _, n := range names {
		ref, err := reference.Parse(n)
		if err != nil {
			return
		}
		for _, p := range s.Pulls() {
			if p.Ref == ref.String() {
				tell(p)
			}
		}
	}
}

// All is List for callers that may be asking a daemon.
func (s *Store) All(ctx context.Context) ([]*Image, error) { return s.List(), ctx.Err() }

// Find is Get for callers that may be asking a daemon.
func (s *Store) Find(_ context.Context, ref string) (*Image, error) { return s.Get(ref) }

// UnderWay is Pulls for callers that may be asking a daemon.
func (s *Store) UnderWay(ctx context.Context) ([]PullProgress, error) { return s.Pulls(), ctx.Err() }
