// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"

	"crisp/test/cri"
	"crisp/test/images"
)

func (n *node) image(ref string) *runtime.Image {
	n.t.Helper()
	resp, err := n.ImageStatus(n.ctx, &runtime.ImageStatusRequest{Image: &runtime.ImageSpec{Image: ref}})
	n.must(err)
	return resp.Image
}

func (n *node) removeImage(ref string) {
	n.t.Helper()
	_, err := n.RemoveImage(n.ctx, &runtime.RemoveImageRequest{Image: &runtime.ImageSpec{Image: ref}})
	n.must(err)
}

func TestImageIsKnownByTagDigestAndID(t *testing.T) {
	n := newNode(t)
	id := n.pull(images.Nginx)
	img := n.image(images.Nginx)
	if img == nil || img.Id != id || img.Size == 0 || !slices.Contains(img.RepoTags, images.Nginx) || len(img.RepoDigests) != 1 {
		t.Fatalf("image %v, pulled as %s", img, id)
	}
	for _, ref := range []string{id, strings.TrimPrefix(id, "sha256:"), img.RepoDigests[0]} {
		if got := n.image(ref); got.GetId() != id {
			t.Errorf("status of %s: %v", ref, got)
		}
	}
	if again := n.pull(img.RepoDigests[0]); again != id {
		t.Errorf("pulled by digest: %s, want %s", again, id)
	}
	n.removeImage(images.Nginx)
	if got := n.image(id); got != nil {
		t.Errorf("after its removal: %v", got)
	}
	n.removeImage(images.Nginx)
}

func TestImagesSurviveARestart(t *testing.T) {
	n := newNode(t)
	id := n.pull(images.Nginx)
	n.crash()
	n.restart()
	if got := n.image(images.Nginx); got.GetId() != id {
		t.Fatalf("after the restart: %v", got)
	}
	pod := cri.Pod("restored-image")
	n.run(n.runPod(pod), pod, cri.Container("main", images.Nginx, "sleep", "1000"))
}

func TestRemovedImageKeepsItsRunningContainer(t *testing.T) {
	n := newNode(t)
	n.pull(images.Nginx)
	pod := cri.Pod("image-in-use")
	id := n.run(n.runPod(pod), pod, cri.Container("main", images.Nginx, "sleep", "1000"))
	n.removeImage(images.Nginx)
	wantText(t, n.exec(id, "cat", "/usr/share/nginx/html/index.html"), "Welcome")
}

func TestPullOfAnAbsentImageIsAnError(t *testing.T) {
	n := newNode(t)
	_, err := n.Pull(n.ctx, "registry.k8s.io/no/such:image")
	if err == nil {
		t.Fatal("no error")
	}
	wantText(t, err.Error(), "registry.k8s.io/no/such:image")
	if got := n.image("registry.k8s.io/no/such:image"); got != nil {
		t.Errorf("status %v", got)
	}
}

func TestPullsAtOnceShareTheirWork(t *testing.T) {
	n := newNode(t)
	ids := make(chan string, 8)
	for range cap(ids) {
		go func() {
			id, err := n.Pull(n.ctx, images.Nginx)
			n.check(err)
			ids <- id
		}()
	}
	first := <-ids
	for range cap(ids) - 1 {
		if id := <-ids; id != first {
			t.Errorf("IDs %s and %s", first, id)
		}
	}
}

func TestImageFileSystemIsMeasured(t *testing.T) {
	n := newNode(t)
	resp, err := n.ImageFsInfo(n.ctx, &runtime.ImageFsInfoRequest{})
	n.must(err)
	fs := resp.ImageFilesystems
	if len(fs) != 1 || fs[0].UsedBytes.GetValue() < 1<<20 || fs[0].InodesUsed.GetValue() < 10 || !strings.HasPrefix(fs[0].FsId.GetMountpoint(), "/") {
		t.Errorf("image file systems %v", fs)
	}
}

func TestCreateOfAnUnknownImageIsNotFound(t *testing.T) {
	n := newNode(t)
	pod := cri.Pod("no-image")
	_, err := n.Create(n.ctx, n.runPod(pod), pod, cri.Container("main", "registry.k8s.io/never:pulled", "true"))
	n.wantCode(err, codes.NotFound)
}
