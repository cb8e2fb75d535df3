// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"crisp/image"
)

// fake is a store with one image.
type fake struct {
	image   *image.Image
	removed []string
}

var errFake = errors.New("the disk is on fire")

func (f *fake) All(context.Context) ([]*image.Image, error) { return []*image.Image{f.image}, nil }

func (f *fake) Find(_ context.Context, ref string) (*image.Image, error) {
	if ref != f.image.ID {
		return nil, fmt.Errorf("%w: %q", image.ErrNotFound, ref)
	}
	return f.image, nil
}

func (f *fake) Remove(_ context.Context, ref string) error {
	if ref == "burning" {
		return errFake
	}
	f.removed = append(f.removed, ref)
	return nil
}

func (f *fake) Fetch(_ context.Context, r image.PullRequest, tell func(image.PullProgress)) (*image.Image, error) {
	tell(image.PullProgress{Ref: r.Ref, Done: 1, Total: 2})
	if r.Ref == "burning" {
		return nil, errFake
	}
	return f.image, nil
}

func (f *fake) UnderWay(context.Context) ([]image.PullProgress, error) {
	return []image.PullProgress{{Ref: "x"}}, nil
}

func (f *fake) Explain(_ context.Context, r image.PullRequest) (*image.Explanation, error) {
	return &image.Explanation{Names: []image.NameExplanation{{Name: r.Ref}}}, nil
}

func client(t *testing.T, f *fake) *Client {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	s := New(f)
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	c := Dial(path)
	t.Cleanup(func() {
		c.Close()
		if err := errors.Join(s.Close(), <-served); err != nil {
			t.Error(err)
		}
	})
	return c
}

func TestClientSeesTheStore(t *testing.T) {
	f := &fake{image: &image.Image{ID: "sha256:1", RepoTags: []string{"a:b"}, Size: 7}}
	c, ctx := client(t, f), t.Context()
	if all, err := c.All(ctx); err != nil || !reflect.DeepEqual(all, []*image.Image{f.image}) {
		t.Errorf("all: %v, %v", all, err)
	}
	if im, err := c.Find(ctx, "sha256:1"); err != nil || !reflect.DeepEqual(im, f.image) {
		t.Errorf("find: %v, %v", im, err)
	}
	if _, err := c.Find(ctx, "a b&c"); !errors.Is(err, image.ErrNotFound) || err.Error() != `image not found: "a b&c"` {
		t.Errorf("find what is not there: %v", err)
	}
	if err := c.Remove(ctx, "a:b"); err != nil || !reflect.DeepEqual(f.removed, []string{"a:b"}) {
		t.Errorf("remove: %v, %v", f.removed, err)
	}
	if err := c.Remove(ctx, "burning"); err == nil || err.Error() != errFake.Error() {
		t.Errorf("remove what burns: %v", err)
	}
	if p, err := c.UnderWay(ctx); err != nil || len(p) != 1 || p[0].Ref != "x" {
		t.Errorf("under way: %v, %v", p, err)
	}
	if e, err := c.Explain(ctx, image.PullRequest{Ref: "y"}); err != nil || e.Names[0].Name != "y" {
		t.Errorf("explain: %v, %v", e, err)
	}
}

func TestPullTellsHowFarItIs(t *testing.T) {
	f := &fake{image: &image.Image{ID: "sha256:1"}}
	c := client(t, f)
	var told []image.PullProgress
	tell := func(p image.PullProgress) { told = append(told, p) }
	im, err := c.Fetch(t.Context(), image.PullRequest{Ref: "good"}, tell)
	if err != nil || im.ID != "sha256:1" || len(told) != 1 || told[0].Ref != "good" || told[0].Total != 2 {
		t.Errorf("%v, %v, told %+v", im, err, told)
	}
	if _, err := c.Fetch(t.Context(), image.PullRequest{Ref: "burning"}, tell); err == nil || err.Error() != errFake.Error() {
		t.Errorf("pull of what burns: %v", err)
	}
}

func TestNoDaemonIsToldApart(t *testing.T) {
	if _, err := Dial(filepath.Join(t.TempDir(), "none")).All(t.Context()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("err = %v", err)
	}
}
