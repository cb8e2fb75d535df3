// SPDX-License-Identifier: Apache-2.0

package image

import "context"

// Remove removes the image that ref names with all its tags and digests. No such image is no error. Layers that a holder
// uses stay on disk until they are released.
func (s *Store) Remove(ctx context.Context, ref string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.changing.Lock()
	defer s.changing.Unlock()
	st := s.find(ref)
	if st == nil {
		return nil
	}
	s.log.Info("image removed", "image", st.image.ID, "tags", st.image.RepoTags, "digests", st.image.RepoDigests)
	// Before Collect nobody knows who uses what, so everything may be in use.
	if s.holds.count[st.image.ID] == 0 && s.holds.collected {
		return s.erase(st)
	}
	r := *st.record
	r.Names, r.Removed = nil, true
	return s.save(&r)
}

// save writes a record and shows it. Its layers are there. The caller has changing.
func (s *Store) save(r *record) error {
	st, err := s.assemble(r)
	if err != nil {
		return err
	}
	if err := s.records.write(r); err != nil {
		return err
	}
	s.index.put(st)
	return nil
}
