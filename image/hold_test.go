// SPDX-License-Identifier: Apache-2.0

package image

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"crisp/image/internal/registrytest"
)

func TestHeldImageCanBeRemovedButStaysUsable(t *testing.T) {
	reg := registrytest.New(t)
	reg.Push(t, "app", app(t, "hello"), "v1")
	root := t.TempDir()
	s := open(t, root)
	im := pullIt(t, s, reg.Host+"/app:v1")
	for _, owner := range []string{"c1", "c1", "c2"} {
		if err := s.Hold(im.ID, owner); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Remove(t.Context(), im.ID); err != nil {
		t.Fatal(err)
	}
	wantGone(t, s, im.ID, reg.Host+"/app:v1")
	if len(s.List()) != 0 {
		t.Errorf("listed: %v", s.List())
	}
	f := rootfs(t, s, RootfsRequest{ImageID: im.ID, Dir: t.TempDir()})
	if got := read(t, inside(f, "app/text")); got != "hello" {
		t.Errorf("app/text: %q", got)
	}
	f.Close()

	// The daemon is killed; after the restart the containers repeat their holds.
	s.Close()
	s = reopen(t, root)
	if err := s.Hold(im.ID, "c2"); err != nil {
		t.Fatal(err)
	}
	s.Collect()
	wantGone(t, s, im.ID)
	s.Release("c1")
	if u, _ := s.Usage(t.Context()); u.Bytes == 0 {
		t.Fatal("the layers of a held image are gone")
	}
	s.Release("c2")
	s.Release("c2")
	if u, _ := s.Usage(t.Context()); u.Bytes != 0 {
		t.Errorf("left over: %+v", u)
	}
	if err := s.Hold(im.ID, "c3"); !errors.Is(err, ErrNotFound) {
		t.Errorf("Hold of what is gone: %v", err)
	}
}

func TestRemovedImageThatNobodyHoldsAnyMoreIsCollectedAfterARestart(t *testing.T) {
	reg := registrytest.New(t)
	reg.Push(t, "app", app(t, "hello"), "v1")
	root := t.TempDir()
	s := open(t, root)
	im := pullIt(t, s, reg.Host+"/app:v1")
	if err := s.Hold(im.ID, "c1"); err != nil {
		t.Fatal(err)
	}
	if err := s.Remove(t.Context(), im.ID); err != nil {
		t.Fatal(err)
	}
	s.Close()
	s = reopen(t, root)
	if u, _ := s.Usage(t.Context()); u.Bytes == 0 {
		t.Fatal("collected before its holders could speak")
	}
	s.Collect()
	if u, _ := s.Usage(t.Context()); u.Bytes != 0 {
		t.Errorf("left over: %+v", u)
	}
}

func TestRemovedImageIsBackAfterAPull(t *testing.T) {
	reg := registrytest.New(t)
	reg.Push(t, "app", app(t, "hello"), "v1")
	s := open(t, t.TempDir())
	im := pullIt(t, s, reg.Host+"/app:v1")
	if err := s.Hold(im.ID, "c1"); err != nil {
		t.Fatal(err)
	}
	if err := s.Remove(t.Context(), im.ID); err != nil {
		t.Fatal(err)
	}
	reg.Requests()
	if again := pullIt(t, s, reg.Host+"/app:v1"); again.ID != im.ID || len(again.RepoTags) != 1 {
		t.Errorf("%+v", again)
	}
	if q := reg.Requests(); len(q) > 2 { // manifest and config, no layer
		t.Errorf("requests: %q", q)
	}
	s.Release("c1")
	if _, err := s.Get(reg.Host + "/app:v1"); err != nil {
		t.Error(err)
	}
}

func TestCrashLeavesNothingHalf(t *testing.T) {
	reg := registrytest.New(t)
	reg.Push(t, "app", app(t, "hello"), "v1")
	reg.Push(t, "other", app(t, "other"), "v1")
	root := t.TempDir()
	s := open(t, root)
	im := pullIt(t, s, reg.Host+"/app:v1")
	other := pullIt(t, s, reg.Host+"/other:v1")
	s.Close()
	for _, f := range []string{"tmp/x/fs/file", "trash/y/fs/file"} {
		if err := os.MkdirAll(filepath.Join(root, filepath.Dir(f)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, f), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	record := s.records.file(s.index.byID(other.ID).record.ID)
	if err := os.Rename(record, record+".new"); err != nil { // power failed before the record was renamed in
		t.Fatal(err)
	}
	s = open(t, root)
	if l := s.List(); len(l) != 1 || l[0].ID != im.ID {
		t.Errorf("%+v", l)
	}
	s.Close()
	s = open(t, root)
	s.Close()
	if n := layersOnDisk(t, root); n != 2 {
		t.Errorf("%d layers on disk, want the 2 of one image", n)
	}
	for _, d := range []string{"tmp", "trash"} {
		if e, err := os.ReadDir(filepath.Join(root, d)); err != nil || len(e) != 0 && d == "tmp" {
			t.Errorf("%s: %v, %v", d, e, err)
		}
	}
}

func TestDamageIsNoticedAndMendedByAPull(t *testing.T) {
	reg := registrytest.New(t)
	reg.Push(t, "app", app(t, "hello"), "v1")
	for name, damage := range map[string]func(s *Store, im *Image) error{
		"a record that is not what it says": func(s *Store, im *Image) error {
			return os.WriteFile(s.records.file(s.index.byID(im.ID).record.ID), []byte(`{"version":1,"id":"`+im.ID+`","config":"{}"}`), 0o600)
		},
		"a torn record": func(s *Store, im *Image) error { return os.Truncate(s.records.file(s.index.byID(im.ID).record.ID), 20) },
		"a lost layer":  func(s *Store, im *Image) error { return os.RemoveAll(filepath.Dir(s.index.byID(im.ID).lower[0])) },
	} {
		root := t.TempDir()
		s := open(t, root)
		im := pullIt(t, s, reg.Host+"/app:v1")
		s.Close()
		if err := damage(s, im); err != nil {
			t.Fatal(err)
		}
		s = open(t, root)
		if len(s.List()) != 0 {
			t.Errorf("%s: the image is listed", name)
		}
		pullIt(t, s, reg.Host+"/app:v1")
		f := rootfs(t, s, RootfsRequest{ImageID: im.ID, Dir: t.TempDir()})
		if got := read(t, inside(f, "app/text")); got != "hello" {
			t.Errorf("%s: %q", name, got)
		}
	}
}
