// SPDX-License-Identifier: Apache-2.0

package images

import (
	"fmt"
	"runtime"
	"slices"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// References that lanes use themselves.
const (
	Busybox = e2e + "busybox:1.29-2"
	Nginx   = e2e + "nginx:1.14-2"
	Demo    = "registry.crisp.test/demo:1"
)

const (
	e2e   = "registry.k8s.io/e2e-test-images/"
	stage = "gcr.io/k8s-staging-cri-tools/"
	ecr   = "public.ecr.aws/docker/library/"
)

// entry is one image of the catalogue.
type entry struct {
	refs   []string // every reference of this very image
	why    string
	bare   bool   // without the busybox root below
	extra  []File // a second layer
	config ocispec.ImageConfig
	format Format
	single bool // the tag points at the manifest, not at an index
}

var searchPath = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}

func shell(user string) ocispec.ImageConfig {
	return ocispec.ImageConfig{Env: searchPath, Cmd: []string{"sh"}, User: user}
}

// catalogue lists what critest v1.36 pulls, and the demo's image.
func catalogue(actor []byte) []entry {
	return slices.Concat(servers(actor), pauses(actor), users(), tagged(), []entry{{
		refs: []string{Demo}, why: "make demo",
		config: ocispec.ImageConfig{Env: searchPath, Cmd: []string{"sh", "-c", "echo hello from crisp; exec sleep 3600"}},
	}})
}

func servers(actor []byte) []entry {
	return []entry{
		{refs: []string{Busybox, e2e + "busybox:1.29-4"}, why: "default test container", config: shell(""), format: Docker},
		{refs: []string{Nginx}, why: "web server; HostPID, PodPID and ContainerPID specs", format: Docker,
			extra: nginxFiles(actor, 80), config: nginxConfig(80, "SIGTERM")},
		{refs: []string{stage + "hostnet-nginx-" + runtime.GOARCH + ":latest"}, why: "web server in the host's network",
			extra: nginxFiles(actor, 12003), config: nginxConfig(80, "SIGQUIT"), format: Docker, single: true},
		{refs: []string{e2e + "httpd:2.4.39-4"}, why: `multi-container specs: "httpd" in its log`, format: Docker,
			extra: []File{Binary("usr/local/bin/httpd-foreground", actor, 0o755)},
			config: ocispec.ImageConfig{Env: searchPath, Cmd: []string{"httpd-foreground"}, WorkingDir: "/usr/local/apache2",
				ExposedPorts: map[string]struct{}{"80/tcp": {}}, StopSignal: "SIGWINCH"}},
		{refs: []string{e2e + "nonewprivs:1.3"}, why: `setuid root program that prints "Effective uid: N"`,
			extra:  []File{Binary("usr/local/bin/nnp", actor, 0o6755)},
			config: ocispec.ImageConfig{Env: searchPath, Entrypoint: []string{"/usr/local/bin/nnp"}}},
	}
}

func nginxConfig(port int, stop string) ocispec.ImageConfig {
	return ocispec.ImageConfig{
		Env: searchPath, Cmd: []string{"nginx", "-g", "daemon off;"}, StopSignal: stop,
		ExposedPorts: map[string]struct{}{fmt.Sprintf("%d/tcp", port): {}},
	}
}

func nginxFiles(actor []byte, port int) []File {
	return []File{
		Text("etc/nginx/conf.d/default.conf", fmt.Sprintf("server {\n    listen       %d;\n}\n", port)),
		Text("usr/share/nginx/html/index.html", "<!DOCTYPE html>\n<html><body><h1>Welcome to nginx!</h1></body></html>\n"),
		Binary("usr/sbin/nginx", actor, 0o755),
	}
}

func pauses(actor []byte) []entry {
	config := ocispec.ImageConfig{Env: searchPath, Entrypoint: []string{"/pause"}, WorkingDir: "/", User: "65535:65535"}
	files := []File{Binary("pause", actor, 0o755)}
	return []entry{{
		refs: []string{"registry.k8s.io/pause:3.9", "k8s.gcr.io/pause:3.9"}, why: "one image id from two registries",
		bare: true, extra: files, config: config, format: Docker,
	}}
}

func users() []entry {
	user := func(name, user string) entry {
		return entry{refs: []string{stage + "test-image-" + name + ":latest"}, why: "ImageStatus: user " + user, config: shell(user), format: Docker}
	}
	predefined := user("predefined-group", "1000")
	predefined.why = "SupplementalGroupsPolicy: uid 1000 is in group 50000"
	predefined.extra = []File{
		Text("etc/passwd", passwd+"default-user:x:1000:1000:Linux User,,,:/home/default-user:/bin/sh\n"),
		Text("etc/group", group+"default-user:x:1000:\ngroup-defined-in-image:x:50000:default-user\n"),
		Dir("home/default-user", 0o755).OwnedBy(1000),
	}
	return []entry{
		user("user-uid", "1002"), user("user-username", "www-data"),
		user("user-uid-group", "1003:1004"), user("user-username-group", "www-data:1004"), predefined,
	}
}

// tagged are images that differ by one empty file, in every form that a registry may answer with.
func tagged() []entry {
	marked := func(ref, why string, f Format) entry {
		name := strings.NewReplacer("/", "-", ":", "-").Replace(ref)
		return entry{refs: []string{stage + ref}, why: why, extra: []File{Text(name, "")}, config: shell(""), format: f}
	}
	three := marked("test-image-tags:1", "three tags of one image", Docker)
	three.refs = append(three.refs, stage+"test-image-tags:2", stage+"test-image-tags:3")
	last := marked("test-image-3:latest", "three images, one tag each", Docker)
	last.single = true
	all := []entry{
		marked("test-image-latest:latest", "pulled without a tag", Docker),
		marked("test-image-tag:test", "pulled by tag; image volumes", Docker),
		marked("test-image-tag:all", "status by id, tag, digest", OCI),
		marked("test-image-1:latest", "three images, one tag each", Docker),
		marked("test-image-2:latest", "three images, one tag each", OCI),
		last, three,
	}
	for _, tag := range []string{"1.35.0-glibc", "1-uclibc", "1", "1-glibc", "1-musl"} {
		e := marked("bench-"+tag, "critest -benchmark", OCI)
		e.refs = []string{ecr + "busybox:" + tag}
		all = append(all, e)
	}
	return all
}
