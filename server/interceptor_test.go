// SPDX-License-Identifier: Apache-2.0

package server

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"

	"crisp/network"
	"crisp/sandbox"
)

// logged is a log that can be read while it is written.
type logged struct {
	mu  sync.Mutex // guards buf
	buf bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logged) logger(level slog.Level) *slog.Logger {
	return slog.New(slog.NewJSONHandler(l, &slog.HandlerOptions{Level: level}))
}

// lines are the records so far; the call's own is written before its answer goes out.
func (l *logged) lines(t *testing.T) []map[string]any {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []map[string]any
	for line := range strings.Lines(l.buf.String()) {
		var m map[string]any
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatal(err)
		}
		all = append(all, m)
	}
	return all
}

func TestMutationsAreLoggedWithWhatTheyMade(t *testing.T) {
	var log logged
	c := dial(t, Config{Log: log.logger(slog.LevelInfo)})
	if _, err := c.RunPodSandbox(t.Context(), pod(func(*runtime.PodSandboxConfig) {})); err != nil {
		t.Fatal(err)
	}
	if _, err := c.ListPodSandbox(t.Context(), &runtime.ListPodSandboxRequest{}); err != nil {
		t.Fatal(err)
	}
	lines := log.lines(t)
	if len(lines) != 1 {
		t.Fatalf("%d lines, want the mutation's only: %v", len(lines), lines)
	}
	for key, want := range map[string]any{"level": "INFO", "method": "RunPodSandbox", "name": "n", "namespace": "ns", "uid": "u", "pod": "pod1"} {
		if lines[0][key] != want {
			t.Errorf("%s is %v, want %v", key, lines[0][key], want)
		}
	}
	if _, ok := lines[0]["took"]; !ok {
		t.Error("no duration")
	}
}

func TestReadsAreLoggedAtDebug(t *testing.T) {
	var log logged
	c := dial(t, Config{Log: log.logger(slog.LevelDebug)})
	if _, err := c.ExecSync(t.Context(), &runtime.ExecSyncRequest{ContainerId: "c1", Cmd: []string{"true"}}); err != nil {
		t.Fatal(err)
	}
	lines := log.lines(t)
	if len(lines) != 1 || lines[0]["level"] != "DEBUG" || lines[0]["container"] != "c1" {
		t.Errorf("%v", lines)
	}
}

func TestErrorsAreWarningsWithTheirCode(t *testing.T) {
	var log logged
	c := dial(t, Config{Log: log.logger(slog.LevelInfo), Pods: &fakePods{err: fmt.Errorf("attach p1: %w", network.ErrNoAddress)}})
	_, err := c.RunPodSandbox(t.Context(), pod(func(*runtime.PodSandboxConfig) {}))
	if status.Code(err) != codes.ResourceExhausted {
		t.Fatal(err)
	}
	lines := log.lines(t)
	if len(lines) != 1 || lines[0]["level"] != "WARN" || lines[0]["code"] != "ResourceExhausted" ||
		!strings.HasPrefix(lines[0]["error"].(string), "attach p1: ") {
		t.Errorf("%v", lines)
	}
	if id, ok := lines[0]["pod"]; ok {
		t.Errorf("a pod %q that was not made", id)
	}
}

func TestGoneIsNoWarning(t *testing.T) {
	var log logged
	c := dial(t, Config{Log: log.logger(slog.LevelInfo), Pods: &fakePods{err: sandbox.ErrNotFound}})
	if _, err := c.ContainerStatus(t.Context(), &runtime.ContainerStatusRequest{ContainerId: "x"}); status.Code(err) != codes.NotFound {
		t.Fatal(err)
	}
	if lines := log.lines(t); len(lines) != 0 {
		t.Errorf("%v", lines)
	}
}

func TestSecretsAreNeverLogged(t *testing.T) {
	var log logged
	c := dial(t, Config{Log: log.logger(slog.LevelDebug)})
	const secret = "hunter2"
	if _, err := c.PullImage(t.Context(), &runtime.PullImageRequest{
		Image: &runtime.ImageSpec{Image: "i"},
		Auth: &runtime.AuthConfig{
			Username: "u", Password: secret, Auth: secret, IdentityToken: secret, RegistryToken: secret,
		},
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.CreateContainer(t.Context(), container(func(r *runtime.CreateContainerRequest) {
		r.Config.Envs = []*runtime.KeyValue{{Key: "PASSWORD", Value: []byte(secret)}}
		r.Config.Args = []string{secret}
	})); err != nil {
		t.Fatal(err)
	}
	if lines := log.lines(t); len(lines) != 2 || strings.Contains(log.buf.String(), secret) {
		t.Errorf("%s", log.buf.String())
	}
}

func TestPanicEndsTheCallOnly(t *testing.T) {
	var log logged
	pods := &fakePods{panics: "boom"}
	c := dial(t, Config{Log: log.logger(slog.LevelInfo), Pods: pods})
	_, err := c.RunPodSandbox(t.Context(), pod(func(*runtime.PodSandboxConfig) {}))
	if status.Code(err) != codes.Internal || !strings.Contains(err.Error(), "boom") {
		t.Fatal(err)
	}
	lines := log.lines(t)
	if len(lines) != 2 || lines[0]["level"] != "ERROR" || !strings.Contains(lines[0]["stack"].(string), "fake_test.go") {
		t.Errorf("%v", lines)
	}
	pods.panics = nil
	if _, err := c.RunPodSandbox(t.Context(), pod(func(*runtime.PodSandboxConfig) {})); err != nil {
		t.Errorf("the server did not survive: %v", err)
	}
}
