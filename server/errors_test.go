// SPDX-License-Identifier: Apache-2.0

package server

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"

	"crisp/image"
	"crisp/sandbox"
)

func TestWrappedErrorsKeepTheirCode(t *testing.T) {
	for _, k := range kinds {
		err := withCode(fmt.Errorf("stop c1: %w", errors.Join(errors.New("other"), k.err)))
		if status.Code(err) != k.code {
			t.Errorf("%v: code %v, want %v", k.err, status.Code(err), k.code)
		}
		if !strings.HasPrefix(status.Convert(err).Message(), k.prefix+"stop c1: ") {
			t.Errorf("%v: message %q", k.err, err)
		}
	}
}

func TestErrorsWithoutKindAreUnknown(t *testing.T) {
	if code := status.Code(withCode(unix.EIO)); code != codes.Unknown {
		t.Errorf("code %v", code)
	}
}

func TestCodedErrorsStayAsTheyAre(t *testing.T) {
	err := status.Error(codes.Aborted, "x")
	if withCode(err) != err {
		t.Errorf("%v became %v", err, withCode(err))
	}
}

// A sentinel that somebody adds must get a code here, or be one on purpose without.
func TestEverySentinelOfTheDomainHasACode(t *testing.T) {
	ours, err := os.ReadFile("errors.go")
	if err != nil {
		t.Fatal(err)
	}
	internal := map[string]bool{ // a caller of the CRI cannot cause these
		"network.ErrInvalidID": true, "network.ErrNoNamespace": true, "network.ErrNotAttached": true,
	}
	sentinel := regexp.MustCompile(`(?m)^\t(Err\w+)\s+=`)
	for _, pkg := range []string{"sandbox", "image", "network"} {
		data, err := os.ReadFile("../" + pkg + "/errors.go")
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range sentinel.FindAllStringSubmatch(string(data), -1) {
			name := pkg + "." + m[1]
			if !internal[name] && !strings.Contains(string(ours), "{err: "+name+",") {
				t.Errorf("%s has no code", name)
			}
		}
	}
}

// The kubelet's reason for a failed pull is found only in an error of code Unknown: k8s.io/cri-client remote_image.go
// strips gRPC's words from no other.
func TestUnreachableRegistryIsShownAsSuch(t *testing.T) {
	c := dial(t, Config{Images: &fakeImages{err: fmt.Errorf("pull x: %w", image.ErrUnavailable)}})
	_, err := c.PullImage(t.Context(), &runtime.PullImageRequest{Image: &runtime.ImageSpec{Image: "x"}})
	s := status.Convert(err)
	if s.Code() != codes.Unknown || !strings.HasPrefix(s.Message(), "RegistryUnavailable: ") {
		t.Errorf("%v", err)
	}
}

func TestRemovingWhatIsGoneIsNoError(t *testing.T) {
	c := dial(t, Config{
		Pods:   &fakePods{err: fmt.Errorf("c1: %w", sandbox.ErrNotFound)},
		Images: &fakeImages{err: image.ErrNotFound},
	})
	ctx := t.Context()
	if _, err := c.StopPodSandbox(ctx, &runtime.StopPodSandboxRequest{PodSandboxId: "x"}); err != nil {
		t.Error(err)
	}
	if _, err := c.RemovePodSandbox(ctx, &runtime.RemovePodSandboxRequest{PodSandboxId: "x"}); err != nil {
		t.Error(err)
	}
	if _, err := c.StopContainer(ctx, &runtime.StopContainerRequest{ContainerId: "x"}); err != nil {
		t.Error(err)
	}
	if _, err := c.RemoveContainer(ctx, &runtime.RemoveContainerRequest{ContainerId: "x"}); err != nil {
		t.Error(err)
	}
	if _, err := c.RemoveImage(ctx, &runtime.RemoveImageRequest{Image: &runtime.ImageSpec{Image: "x"}}); err != nil {
		t.Error(err)
	}
	if _, err := c.StartContainer(ctx, &runtime.StartContainerRequest{ContainerId: "x"}); status.Code(err) != codes.NotFound {
		t.Errorf("start: %v", err)
	}
}
