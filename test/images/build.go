// SPDX-License-Identifier: Apache-2.0

package images

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Programs are the files on this machine that images are made of.
type Programs struct {
	Busybox string // path of a busybox binary
	Actor   string // path of the built actor/
}

// Catalogue fills a registry with every image of this package.
func Catalogue(p Programs) (*Registry, error) {
	actor, err := os.ReadFile(p.Actor)
	if err != nil {
		return nil, err
	}
	root, err := Root(p.Busybox, actor)
	if err != nil {
		return nil, err
	}
	base, err := NewLayer(root, Gzip)
	if err != nil {
		return nil, err
	}
	r := NewRegistry()
	for _, e := range catalogue(actor) {
		img, err := e.build(base)
		if err != nil {
			return nil, fmt.Errorf("image %s: %w", e.refs[0], err)
		}
		for _, ref := range e.refs {
			r.tagReference(ref, img)
		}
	}
	digestImage, err := digestImage()
	if err != nil {
		return nil, err
	}
	r.tagReference(digestReference, digestImage)
	return r, nil
}

// tagReference tags the image by the full name HOST/PATH:TAG, without the host.
func (r *Registry) tagReference(ref string, img *Image) {
	_, name, _ := strings.Cut(ref, "/")
	path, tag, _ := strings.Cut(name, ":")
	r.Tag(path, tag, img)
}

func (e entry) build(base Layer) (*Image, error) {
	var layers []Layer
	if !e.bare {
		layers = append(layers, base)
	}
	if len(e.extra) > 0 {
		l, err := NewLayer(e.extra, Gzip)
		if err != nil {
			return nil, err
		}
		layers = append(layers, l)
	}
	img, err := NewFormat(e.format, Host(), e.config, layers...)
	if err != nil || e.single {
		return img, err
	}
	return e.index(img)
}

// index puts the image among the platforms of a real multi-platform one. The others hold one small file and cannot
// run, so that choosing one of them shows at once.
func (e entry) index(img *Image) (*Image, error) {
	var members []*Image
	for _, p := range []ocispec.Platform{
		{OS: "linux", Architecture: "amd64"}, {OS: "linux", Architecture: "arm", Variant: "v7"},
		{OS: "linux", Architecture: "arm64"}, {OS: "linux", Architecture: "ppc64le"}, {OS: "linux", Architecture: "s390x"},
	} {
		if p.Architecture == Host().Architecture {
			members = append(members, img)
			continue
		}
		l, err := NewLayer([]File{Text("wrong-platform", p.Architecture+"\n")}, Gzip)
		if err != nil {
			return nil, err
		}
		other, err := NewFormat(e.format, p, e.config, l)
		if err != nil {
			return nil, err
		}
		members = append(members, other)
	}
	return NewIndex(e.format, members...)
}

// References are all names in the catalogue.
func References() []string {
	refs := []string{digestReference}
	for _, e := range catalogue(nil) {
		refs = append(refs, e.refs...)
	}
	return refs
}

// Hosts are the registries whose names occur in the catalogue: a runtime under test needs a mirror for each.
func Hosts() []string {
	var hosts []string
	for _, ref := range References() {
		host, _, _ := strings.Cut(ref, "/")
		hosts = append(hosts, host)
	}
	slices.Sort(hosts)
	return slices.Compact(hosts)
}

// Table prints the catalogue.
func Table(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "REFERENCE\tUSER\tCOMMAND\tSTOP SIGNAL\tWHAT FOR")
	for _, e := range catalogue(nil) {
		command := strings.Join(slices.Concat(e.config.Entrypoint, e.config.Cmd), " ")
		for _, ref := range e.refs {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", ref, e.config.User, command, e.config.StopSignal, e.why)
		}
	}
	fmt.Fprintf(w, "%s\t\t\t\tpulled by digest\n", digestReference)
	return w.Flush()
}
