// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"

	"crisp/test/cri"
	"crisp/test/daemon"
	"crisp/test/images"
	"crisp/test/lane"
	"crisp/test/leak"
)

// testTimeout bounds one test: a call that hangs fails its test and not the run.
const testTimeout = 2 * time.Minute

// node is a running daemon with the busybox image, and the client of it.
type node struct {
	*cri.Client
	t      *testing.T
	ctx    context.Context
	dir    string
	daemon *daemon.Daemon
}

// newNode starts a daemon. When the test ends, its pods are removed, the daemon is stopped, and both times what is left
// behind fails the test.
func newNode(t *testing.T, args ...string) *node {
	t.Helper()
	if here == nil {
		t.Skip("needs root: it runs pods")
	}
	ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
	t.Cleanup(cancel)
	n := &node{t: t, ctx: ctx}
	var err error
	n.dir, err = here.NewDir()
	n.must(err)
	scope := here.Scope(n.dir)
	scope.Dirs = nil
	t.Cleanup(func() { n.check(here.Clear(n.dir)) })
	t.Cleanup(n.leakCheck("after the daemon", scope))

	n.daemon, err = here.Start(ctx, n.dir, args...)
	n.must(err)
	t.Cleanup(n.stop)
	n.Client, err = cri.Dial(n.daemon.Socket())
	n.must(err)
	n.pull(images.Busybox)
	_, err = n.Status(ctx, &runtime.StatusRequest{}) // opens what the network keeps open
	n.must(err)
	t.Cleanup(n.idleCheck())
	return n
}

// idleCheck compares the daemon without pods before and after the test, its open files too. A daemon that was started again
// may hold what the first one held, and no more.
func (n *node) idleCheck() func() {
	scope := here.Scope(n.dir)
	scope.Daemon = n.daemon.Pid()
	before, err := leak.Take(scope)
	n.must(err)
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		n.check(n.RemoveAllPods(ctx))
		scope.Daemon = n.daemon.Pid()
		if err := lane.Leaks(ctx, scope, before); err != nil {
			n.t.Errorf("with the daemon idle: %v", err)
		}
	}
}

func (n *node) leakCheck(when string, scope leak.Scope) func() {
	before, err := leak.Take(scope)
	n.must(err)
	return func() {
		if err := lane.Leaks(context.Background(), scope, before); err != nil {
			n.t.Errorf("%s: %v", when, err)
		}
	}
}

func (n *node) stop() {
	n.check(n.Close())
	n.check(errors.Join(n.daemon.Stop(), n.daemon.Close()))
	if !n.t.Failed() {
		return
	}
	text, err := os.ReadFile(n.daemon.LogPath())
	n.check(err)
	const most = 16 << 10
	n.t.Logf("the end of the daemon's log:\n%s", text[max(0, len(text)-most):])
}

// crash is kill -9 of the daemon; restart starts it again.
func (n *node) crash() { n.t.Helper(); n.must(n.daemon.Kill()) }

func (n *node) restart(args ...string) {
	n.t.Helper()
	n.must(n.daemon.Restart(n.ctx, args...))
	n.eventually("the client is connected again", func() bool {
		_, err := n.Version(n.ctx, &runtime.VersionRequest{})
		return err == nil
	})
}

func (n *node) must(err error) {
	n.t.Helper()
	if err != nil {
		n.t.Fatal(err)
	}
}

func (n *node) check(err error) {
	n.t.Helper()
	if err != nil {
		n.t.Error(err)
	}
}

// wantCode fails unless err has the gRPC code.
func (n *node) wantCode(err error, want codes.Code) {
	n.t.Helper()
	if got := status.Code(err); got != want {
		n.t.Errorf("code %v (%v), want %v", got, err, want)
	}
}

// eventually waits for a condition; what says what for.
func (n *node) eventually(what string, condition func() bool) {
	n.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(20 * time.Second)
	for !condition() {
		select {
		case <-limit:
			n.t.Fatalf("not within 20 s: %s", what)
		case <-tick.C:
		}
	}
}

func (n *node) pull(ref string) string {
	n.t.Helper()
	id, err := n.Pull(n.ctx, ref)
	n.must(err)
	return id
}

// logged gives the pod a log directory below the node's.
func (n *node) logged(pod *runtime.PodSandboxConfig) *runtime.PodSandboxConfig {
	pod.LogDirectory = filepath.Join(n.dir, "logs", pod.Metadata.Uid)
	return pod
}

func (n *node) runPod(pod *runtime.PodSandboxConfig) string {
	n.t.Helper()
	id, err := n.RunPod(n.ctx, pod)
	n.must(err)
	return id
}

func (n *node) run(podID string, pod *runtime.PodSandboxConfig, ctr *runtime.ContainerConfig) string {
	n.t.Helper()
	id, err := n.Run(n.ctx, podID, pod, ctr)
	n.must(err)
	return id
}

// sleeper runs a pod with one container that sleeps, and returns both IDs.
func (n *node) sleeper(name string) (podID, ctrID string) {
	n.t.Helper()
	pod := cri.Pod(name)
	podID = n.runPod(pod)
	return podID, n.run(podID, pod, cri.Container("main", images.Busybox, "sleep", "1000"))
}

func (n *node) status(id string) *runtime.ContainerStatus {
	n.t.Helper()
	s, err := n.Container(n.ctx, id)
	n.must(err)
	return s
}

// exited waits for a container's end.
func (n *node) exited(id string) *runtime.ContainerStatus {
	n.t.Helper()
	n.eventually("container "+id+" exits", func() bool { return n.status(id).State == runtime.ContainerState_CONTAINER_EXITED })
	return n.status(id)
}

func (n *node) podState(id string) runtime.PodSandboxState {
	n.t.Helper()
	s, err := n.Pod(n.ctx, id)
	n.must(err)
	return s.State
}

// exec returns the standard output of a command that must succeed.
func (n *node) exec(id string, cmd ...string) string {
	n.t.Helper()
	resp, err := n.ExecSynchronously(n.ctx, id, cmd...)
	n.must(err)
	if resp.ExitCode != 0 {
		n.t.Fatalf("%q: exit code %d, stderr %q", cmd, resp.ExitCode, resp.Stderr)
	}
	return string(resp.Stdout)
}

// pid is a container's first process, as the verbose status tells it.
func (n *node) pid(id string) int {
	n.t.Helper()
	resp, err := n.ContainerStatus(n.ctx, &runtime.ContainerStatusRequest{ContainerId: id, Verbose: true})
	n.must(err)
	var info struct{ Pid int }
	n.must(json.Unmarshal([]byte(resp.Info["info"]), &info))
	if info.Pid == 0 {
		n.t.Fatalf("no pid in the verbose status: %v", resp.Info)
	}
	return info.Pid
}
