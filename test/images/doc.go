// SPDX-License-Identifier: Apache-2.0

// Package images makes container images in memory and serves them from a registry of its own, so that every lane under
// test/ runs without any network.
//
// Its catalogue holds a stand-in for each image that critest (sigs.k8s.io/cri-tools) pulls, under the very name that critest
// uses, and the image of the demo. A reference HOST/PATH:TAG is served at /v2/PATH, so a runtime reaches it by a
// mirror of HOST (Hosts lists them) that keeps the image's name:
//
//	registry.k8s.io/pause:3.9 ── hosts.toml: mirror http://127.0.0.1:PORT ──▶ Registry /v2/pause/manifests/3.9
//
// An image is built from plain values, and nothing of the machine's clock or of an earlier run shows in it:
//
//	layer, _ := images.NewLayer([]images.File{images.Text("etc/motd", "hello\n")}, images.Gzip)
//	image, _ := images.New(images.Host(), ocispec.ImageConfig{Cmd: []string{"sh"}}, layer)
//	registry.Tag("library/hello", "latest", image)
//
// The root file system of most images is Debian's busybox package, unpacked but not installed: critest masks /bin/ls alone,
// hence applets are hard links, and the shell must not run applets by itself, as busybox-static's does. The
// program in actor/ plays what busybox lacks (nginx, httpd, a setuid program, pause, pgrep, ipcs).
//
// One image cannot be made: critest pulls test-image-digest by the digest that it was published with. PatchCritest
// writes a copy of the critest binary that asks for the digest of ours.
package images
