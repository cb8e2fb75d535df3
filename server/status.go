// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"encoding/json"
	"fmt"

	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// defaultHandler is the runtime handler of pods without a RuntimeClass.
const defaultHandler = ""

// Status implements runtime.RuntimeServiceServer. The kubelet asks every five seconds and marks the node NotReady by it.
func (s *runtimeService) Status(_ context.Context, r *runtime.StatusRequest) (*runtime.StatusResponse, error) {
	resp := &runtime.StatusResponse{
		Status: &runtime.RuntimeStatus{Conditions: []*runtime.RuntimeCondition{
			{Type: runtime.RuntimeReady, Status: true},
			s.networkCondition(),
		}},
		RuntimeHandlers: []*runtime.RuntimeHandler{{
			Name: defaultHandler,
			Features: &runtime.RuntimeHandlerFeatures{
				RecursiveReadOnlyMounts: s.Features.RecursiveReadOnlyMounts,
				UserNamespaces:          s.Features.UserNamespaces,
			},
		}},
		Features: &runtime.RuntimeFeatures{SupplementalGroupsPolicy: s.Features.SupplementalGroupsPolicy},
	}
	if !r.GetVerbose() {
		return resp, nil
	}
	info, err := s.info()
	if err != nil {
		return nil, err
	}
	resp.Info = info
	return resp, nil
}

// networkCondition says whether pods can be connected. Pods on the node's network run either way.
func (s *runtimeService) networkCondition() *runtime.RuntimeCondition {
	err := s.Network.Status()
	if err == nil {
		return &runtime.RuntimeCondition{Type: runtime.NetworkReady, Status: true}
	}
	return &runtime.RuntimeCondition{
		Type: runtime.NetworkReady, Status: false, Reason: "NetworkPluginNotReady", Message: err.Error(),
	}
}

// info is Config.Info with each value as JSON, which is what "crictl info" parses.
func (s *runtimeService) info() (map[string]string, error) {
	if s.Info == nil {
		return nil, nil
	}
	values := s.Info()
	info := make(map[string]string, len(values))
	for key, value := range values {
		text, err := json.Marshal(value)
		if err != nil {
			return nil, fmt.Errorf("info %s: %w", key, err)
		}
		info[key] = string(text)
	}
	return info, nil
}
