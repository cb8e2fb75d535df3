// SPDX-License-Identifier: Apache-2.0

package server

import (
	"math"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// invalid is the answer to a request that contradicts the CRI.
func invalid(format string, args ...any) error {
	return status.Errorf(codes.InvalidArgument, format, args...)
}

// needID refuses an empty ID. It matters beyond good manners: as a prefix it would match everything.
func needID(field, id string) error {
	if id == "" {
		return invalid("%s: missing", field)
	}
	return nil
}

// seconds converts a timeout of the CRI. Very large ones mean "for ever".
func seconds(field string, n int64) (time.Duration, error) {
	if n < 0 {
		return 0, invalid("%s: %d is negative", field, n)
	}
	return time.Duration(min(n, math.MaxInt64/int64(time.Second))) * time.Second, nil
}

// checkHandler refuses runtime handlers that Status does not list.
func checkHandler(name string) error {
	if name != defaultHandler {
		return invalid("runtime handler %q: not configured", name)
	}
	return nil
}

// checkPorts refuses ports that have no place in the 16 bits of the domain's types. All else of a pod's or container's
// configuration is the domain's to judge, which knows what it does with it.
func checkPorts(mappings []*runtime.PortMapping) error {
	for i, p := range mappings {
		if _, ok := runtime.Protocol_name[int32(p.GetProtocol())]; !ok {
			return invalid("config.port_mappings[%d]: protocol %d is unknown", i, p.GetProtocol())
		}
		if p.GetHostPort() < 0 || p.GetHostPort() > math.MaxUint16 {
			return invalid("config.port_mappings[%d]: host port %d is not between 0 and 65535", i, p.GetHostPort())
		}
		if p.GetContainerPort() < 0 || p.GetContainerPort() > math.MaxUint16 {
			return invalid("config.port_mappings[%d]: container port %d is not between 0 and 65535", i, p.GetContainerPort())
		}
		if p.GetHostPort() != 0 && p.GetContainerPort() == 0 {
			return invalid("config.port_mappings[%d]: host port %d leads to no container port", i, p.GetHostPort())
		}
	}
	return nil
}

// checkStreams checks what a streaming session is asked to carry; the rules are the CRI's (api.proto, ExecRequest).
func checkStreams(tty, stdin, stdout, stderr bool) error {
	if tty && stderr {
		return invalid("tty and stderr cannot both be true: a terminal has one output")
	}
	if !stdin && !stdout && !stderr {
		return invalid("one of stdin, stdout and stderr must be true")
	}
	return nil
}
