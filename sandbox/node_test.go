// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"context"
	"io"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sys/unix"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"

	"crisp/conmon"
	"crisp/image"
	"crisp/network"
	"crisp/oci"
	"crisp/oci/cgroup"
	"crisp/test/images"
)

// testNode is a Manager with all the other rooms, in scratch directories. Its pods are in the node's network namespace, so that
// nothing of the machine's network is touched.
type testNode struct {
	*Manager
	t      *testing.T
	cfg    Config
	parent string // cgroup
	image  string // with the one program /pause, which waits for SIGTERM
}

func newTestNode(t *testing.T) *testNode {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: namespaces, mounts and cgroups are made")
	}
	t.Parallel()
	dir := t.TempDir()
	n := &testNode{t: t, parent: "/crisp-test-" + newID()[:12]}
	log := slog.New(slog.NewTextHandler(testLog{t}, nil))
	cgroups, err := cgroup.New(cgroup.Config{Log: log})
	n.must(err)
	n.own(cgroups)
	rt, err := oci.New(oci.Config{Cgroups: cgroups, Log: log})
	n.must(err)
	n.own(rt)
	store, err := image.Open(t.Context(), image.Config{Root: filepath.Join(dir, "images"), RegistryDir: filepath.Join(dir, "certs.d"), Log: log})
	n.must(err)
	n.own(store)
	net, err := network.New(network.Config{
		CNIConfDir: filepath.Join(dir, "cni"), CacheDir: filepath.Join(dir, "cache"), DataDir: filepath.Join(dir, "net"), StateDir: filepath.Join(dir, "s"), Log: log,
	})
	n.must(err)
	n.own(net)
	n.cfg = Config{
		Root: filepath.Join(dir, "root"), State: filepath.Join(dir, "s"), Images: store, Network: net, OCI: rt,
		Defaults: Defaults{CgroupParent: n.parent}, Log: log,
	}
	n.image = n.pull(filepath.Join(dir, "certs.d"))
	t.Cleanup(func() {
		cg, err := cgroups.Open(n.parent)
		if err == nil {
			err = cg.Remove(context.Background())
		}
		if err != nil {
			t.Errorf("the cgroup %s: %v", n.parent, err)
		}
	})
	n.start()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		for _, p := range n.Pods(nil) {
			if err := n.RemovePod(ctx, p.Id); err != nil {
				t.Error(err)
			}
		}
		if err := n.Close(); err != nil {
			t.Error(err)
		}
		for _, dir := range []string{n.dirs.pods(), n.dirs.podsRun()} {
			if left, _ := os.ReadDir(dir); len(left) != 0 {
				t.Errorf("left in %s: %v", dir, left)
			}
		}
	})
	return n
}

// testLog shows the log of a test that fails.
type testLog struct{ t *testing.T }

func (l testLog) Write(p []byte) (int, error) {
	l.t.Log(strings.TrimSpace(string(p)))
	return len(p), nil
}

func (n *testNode) must(err error) {
	n.t.Helper()
	if err != nil {
		n.t.Fatal(err)
	}
}

func (n *testNode) own(c io.Closer) {
	n.t.Cleanup(func() {
		if err := c.Close(); err != nil {
			n.t.Error(err)
		}
	})
}

// pull makes an image of the pause program and pulls it from a registry of its own.
func (n *testNode) pull(certs string) string {
	program, err := conmon.Binary()
	n.must(err)
	size, err := program.Stat()
	n.must(err)
	data := make([]byte, size.Size())
	_, err = program.ReadAt(data, 0)
	n.must(err)
	layer, err := images.NewLayer([]images.File{images.Binary("pause", data, 0o755)}, images.Gzip)
	n.must(err)
	img, err := images.New(images.Host(), ocispec.ImageConfig{Cmd: []string{"/pause"}}, layer)
	n.must(err)
	registry := images.NewRegistry()
	registry.Tag("test", "latest", img)
	server := httptest.NewServer(registry)
	n.t.Cleanup(server.Close)
	n.must(images.WriteMirrors(certs, server.Listener.Addr().String()))
	got, err := n.cfg.Images.Pull(n.t.Context(), image.PullRequest{Ref: images.Hosts()[0] + "/test:latest"})
	n.must(err)
	return got.ID
}

func (n *testNode) start() {
	n.t.Helper()
	m, err := New(n.t.Context(), n.cfg)
	n.must(err)
	n.Manager = m
}

// restart is what a kill of the daemon and its next start are to the Manager: no goroutine of the old one does anything any more.
func (n *testNode) restart(meanwhile func()) {
	n.t.Helper()
	n.must(n.Close())
	meanwhile()
	n.start()
}

func (n *testNode) podConfig(name string) *runtime.PodSandboxConfig {
	return &runtime.PodSandboxConfig{
		Metadata: &runtime.PodSandboxMetadata{Name: name, Namespace: "test", Uid: "uid-" + name},
		Linux: &runtime.LinuxPodSandboxConfig{SecurityContext: &runtime.LinuxSandboxSecurityContext{
			NamespaceOptions: &runtime.NamespaceOption{Network: runtime.NamespaceMode_NODE, Pid: runtime.NamespaceMode_CONTAINER},
		}},
	}
}

// run makes a pod with a running container.
func (n *testNode) run(name string) (*pod, *container) {
	n.t.Helper()
	p, c := n.create(name)
	n.must(n.StartContainer(n.t.Context(), c.rec.ID))
	return p, c
}

// create makes a pod with a created container.
func (n *testNode) create(name string) (*pod, *container) {
	n.t.Helper()
	podID, err := n.RunPod(n.t.Context(), n.podConfig(name), "")
	n.must(err)
	id, err := n.CreateContainer(n.t.Context(), &runtime.CreateContainerRequest{PodSandboxId: podID, Config: &runtime.ContainerConfig{
		Metadata: &runtime.ContainerMetadata{Name: "main"}, Image: &runtime.ImageSpec{Image: n.image},
		Linux: &runtime.LinuxContainerConfig{SecurityContext: &runtime.LinuxContainerSecurityContext{NamespaceOptions: n.podConfig(name).Linux.SecurityContext.NamespaceOptions}},
	}})
	n.must(err)
	return n.find(podID, id)
}

// find gets the objects of this Manager, which are others after a restart.
func (n *testNode) find(podID, id string) (*pod, *container) {
	n.t.Helper()
	p, err := n.index.pod(podID)
	n.must(err)
	c, err := n.index.container(id)
	n.must(err)
	return p, c
}

// exited waits for the container's end.
func (n *testNode) exited(c *container) {
	n.t.Helper()
	select {
	case <-c.exit:
	case <-time.After(30 * time.Second):
		n.t.Fatal("the container has not exited")
	}
}

// kill sends a signal to a process of the pod's.
func (n *testNode) kill(pid int, sig unix.Signal) {
	n.t.Helper()
	if pid <= 1 {
		n.t.Fatalf("no process: %d", pid)
	}
	n.must(unix.Kill(pid, sig))
}
