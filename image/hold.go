// SPDX-License-Identifier: Apache-2.0

package image

import "fmt"

// holds says who uses which images. Guarded by Store.changing.
type holds struct {
	byOwner map[string]map[string]bool // owner to IDs
	count   map[string]int             // ID to number of owners
	// collected: owners of an earlier run have repeated their holds.
	collected bool
}

func (h *holds) add(id, owner string) {
	if h.byOwner == nil {
		h.byOwner, h.count = map[string]map[string]bool{}, map[string]int{}
	}
	if h.byOwner[owner] == nil {
		h.byOwner[owner] = map[string]bool{}
	}
	if !h.byOwner[owner][id] {
		h.byOwner[owner][id] = true
		h.count[id]++
	}
}

// drop ends an owner's holds and returns the images that nobody holds any more.
func (h *holds) drop(owner string) (free []string) {
	for id := range h.byOwner[owner] {
		if h.count[id]--; h.count[id] == 0 {
			delete(h.count, id)
			free = append(free, id)
		}
	}
	delete(h.byOwner, owner)
	return free
}

// Hold keeps the image's layers on disk for owner (a container ID) until Release, also if the image is removed. An owner may hold
// several images. Holds are not durable: who owns them repeats them after a restart, then calls Collect.
func (s *Store) Hold(imageID, owner string) error {
	s.changing.Lock()
	defer s.changing.Unlock()
	st := s.index.inUse(imageID)
	if st == nil {
		return fmt.Errorf("%w: %.256q", ErrNotFound, imageID)
	}
	s.holds.add(st.image.ID, owner)
	return nil
}

// Release ends all of owner's holds. Unknown owners are fine.
func (s *Store) Release(owner string) {
	s.changing.Lock()
	defer s.changing.Unlock()
	for _, id := range s.holds.drop(owner) {
		s.collect(id)
	}
}

// Collect says that all holds of an earlier run of the daemon have been repeated: from now on, removed images that nobody holds may go.
func (s *Store) Collect() {
	s.changing.Lock()
	defer s.changing.Unlock()
	s.holds.collected = true
	for _, st := range s.index.all() {
		s.collect(st.image.ID)
	}
}

// collect deletes an image that is removed and that nobody holds. The caller has changing.
func (s *Store) collect(id string) {
	st := s.index.byID(id)
	if st == nil || !st.record.Removed || s.holds.count[id] > 0 || !s.holds.collected {
		return
	}
	if err := s.erase(st); err != nil {
		s.log.Error("removed image stays on disk", "image", id, "error", err)
	}
}

// erase deletes an image for good. The caller has changing.
func (s *Store) erase(st *stored) error {
	if err := s.records.remove(st.record.ID); err != nil {
		return err
	}
	s.index.remove(st.image.ID)
	s.layers.Release(st.record.allLayers())
	return nil
}
