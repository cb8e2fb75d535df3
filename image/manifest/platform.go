// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"fmt"
	"runtime"
	"slices"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sys/cpu"
)

// Host is the platform of this machine.
func Host() ocispec.Platform {
	return ocispec.Platform{OS: "linux", Architecture: runtime.GOARCH, Variant: hostVariant()}
}

// hostVariant is the level of the CPU: for amd64 the x86-64 psABI's microarchitecture levels, as far as x/sys/cpu can see them.
func hostVariant() string {
	switch runtime.GOARCH {
	case "arm64":
		return "v8"
	case "arm":
		return "v7"
	case "amd64":
	default:
		return ""
	}
	x := &cpu.X86
	switch {
	case !x.HasCX16 || !x.HasPOPCNT || !x.HasSSE3 || !x.HasSSSE3 || !x.HasSSE41 || !x.HasSSE42:
		return "v1"
	case !x.HasAVX || !x.HasAVX2 || !x.HasBMI1 || !x.HasBMI2 || !x.HasFMA || !x.HasOSXSAVE:
		return "v2"
	case !x.HasAVX512F || !x.HasAVX512BW || !x.HasAVX512CD || !x.HasAVX512DQ || !x.HasAVX512VL:
		return "v3"
	}
	return "v4"
}

// normalize brings the names that are in use for a platform to those of Go, with the variant always set where there are variants.
func normalize(p ocispec.Platform) ocispec.Platform {
	p.OS, p.Architecture, p.Variant = strings.ToLower(p.OS), strings.ToLower(p.Architecture), strings.ToLower(p.Variant)
	switch p.Architecture {
	case "x86_64", "x86-64":
		p.Architecture = "amd64"
	case "i386", "i486", "i586", "i686":
		p.Architecture = "386"
	case "aarch64":
		p.Architecture = "arm64"
	case "armhf":
		p.Architecture, p.Variant = "arm", "v7"
	case "armel":
		p.Architecture, p.Variant = "arm", "v6"
	}
	if len(p.Variant) == 1 && p.Variant >= "1" && p.Variant <= "9" {
		p.Variant = "v" + p.Variant
	}
	if p.Variant == "" {
		p.Variant = map[string]string{"amd64": "v1", "arm64": "v8", "arm": "v7"}[p.Architecture]
	}
	return p
}

// runnable lists what the platform can run, the best first: lower levels of the same CPU, then its 32-bit mode.
func runnable(p ocispec.Platform) []ocispec.Platform {
	p = normalize(p)
	levels := func(arch string, variants ...string) (out []ocispec.Platform) {
		for _, v := range variants {
			out = append(out, ocispec.Platform{OS: p.OS, Architecture: arch, Variant: v})
		}
		return out
	}
	downFrom := func(arch string, variants ...string) []ocispec.Platform {
		i := slices.Index(variants, p.Variant)
		if i < 0 {
			return levels(arch, p.Variant)
		}
		return levels(arch, variants[i:]...)
	}
	switch p.Architecture {
	case "amd64":
		return append(downFrom("amd64", "v4", "v3", "v2", "v1"), levels("386", "")...)
	case "arm64":
		return append(downFrom("arm64", "v9", "v8"), levels("arm", "v8", "v7", "v6", "v5")...)
	case "arm":
		return downFrom("arm", "v8", "v7", "v6", "v5")
	}
	return []ocispec.Platform{p}
}

// Candidates lists the entries of an index that the platform can run, the best first. Entries that say nothing of their
// platform come last: nested indexes and single images in a layout may leave it out.
func Candidates(x *ocispec.Index, want ocispec.Platform) ([]ocispec.Descriptor, error) {
	var out, silent []ocispec.Descriptor
	for _, p := range runnable(want) {
		for _, d := range x.Manifests {
			if usable(&d) && d.Platform != nil && same(normalize(*d.Platform), p) {
				out = append(out, d)
			}
		}
	}
	for _, d := range x.Manifests {
		if usable(&d) && (d.Platform == nil || d.Platform.OS == "" && d.Platform.Architecture == "") {
			silent = append(silent, d)
		}
	}
	if out = append(out, silent...); len(out) == 0 {
		return nil, fmt.Errorf("%w: %s is not among %s", ErrNoPlatform, name(want), offered(x))
	}
	return out, nil
}

func same(a, b ocispec.Platform) bool {
	return a.OS == b.OS && a.Architecture == b.Architecture && a.Variant == b.Variant
}

// usable leaves out what is no image: attestations stand in an index as images for unknown/unknown.
func usable(d *ocispec.Descriptor) bool {
	if d.Platform != nil && (d.Platform.OS == "unknown" || d.Platform.Architecture == "unknown") {
		return false
	}
	if d.Annotations["vnd.docker.reference.type"] != "" || d.ArtifactType != "" {
		return false
	}
	return isManifestType(d.MediaType) || isIndexType(d.MediaType) || d.MediaType == ""
}

// name is "linux/arm/v7".
func name(p ocispec.Platform) string {
	s := p.OS + "/" + p.Architecture
	if p.Variant != "" {
		s += "/" + p.Variant
	}
	return shorten(s)
}

func offered(x *ocispec.Index) string {
	var names []string
	for i := range x.Manifests {
		d := &x.Manifests[i]
		if usable(d) && d.Platform != nil && !slices.Contains(names, name(*d.Platform)) {
			names = append(names, name(*d.Platform))
		}
		if len(names) == 32 {
			names = append(names, "...")
			break
		}
	}
	if len(names) == 0 {
		return "its 0 platforms"
	}
	return strings.Join(names, ", ")
}
