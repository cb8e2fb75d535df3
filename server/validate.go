// SPDX-License-Identifier: Apache-2.0

package server

import (
	"math"
	"path/filepath"
	"strings"
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

// checkPod checks the shape of a pod's configuration. What its values mean is the domain's.
func checkPod(c *runtime.PodSandboxConfig) error {
	if c == nil {
		return invalid("config: missing")
	}
	m := c.GetMetadata()
	switch {
	case m == nil:
		return invalid("config.metadata: missing")
	case m.Name == "":
		return invalid("config.metadata.name: missing")
	case m.Namespace == "":
		return invalid("config.metadata.namespace: missing")
	case m.Uid == "": // a client rejects the status of a pod without (k8s.io/cri-client utils.go)
		return invalid("config.metadata.uid: missing")
	}
	if c.LogDirectory != "" && !filepath.IsAbs(c.LogDirectory) {
		return invalid("config.log_directory: %q is no absolute path", c.LogDirectory)
	}
	if err := checkHostname(c.Hostname); err != nil {
		return err
	}
	if err := checkDNS(c.GetDnsConfig()); err != nil {
		return err
	}
	return checkPorts(c.GetPortMappings())
}

// checkHostname wants what sethostname(2) takes and one line of a file can hold.
func checkHostname(name string) error {
	if len(name) > 64 { // HOST_NAME_MAX, include/uapi/linux/utsname.h __NEW_UTS_LEN
		return invalid("config.hostname: %d bytes long, at most 64 are possible", len(name))
	}
	if strings.ContainsFunc(name, breaksLine) || strings.ContainsAny(name, "/ ") {
		return invalid("config.hostname: %q has a character that no hostname has", name)
	}
	return nil
}

// checkDNS wants entries that cannot end their line of resolv.conf: they are other people's text in a file that
// every container trusts.
func checkDNS(d *runtime.DNSConfig) error {
	for field, entries := range map[string][]string{
		"servers": d.GetServers(), "searches": d.GetSearches(), "options": d.GetOptions(),
	} {
		for _, e := range entries {
			if e == "" || strings.ContainsFunc(e, breaksLine) || strings.Contains(e, " ") {
				return invalid("config.dns_config.%s: %q is not one word", field, e)
			}
		}
	}
	return nil
}

// breaksLine tells control characters, tabs and NUL among them.
func breaksLine(r rune) bool { return r < ' ' || r == 0x7f || r == 0x85 || r == 0x2028 || r == 0x2029 }

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

// checkContainer checks the shape of a container's configuration.
func checkContainer(r *runtime.CreateContainerRequest) error {
	if err := needID("pod_sandbox_id", r.GetPodSandboxId()); err != nil {
		return err
	}
	c := r.GetConfig()
	switch {
	case c == nil:
		return invalid("config: missing")
	case c.GetMetadata().GetName() == "":
		return invalid("config.metadata.name: missing")
	case c.GetImage().GetImage() == "":
		return invalid("config.image.image: missing")
	}
	// The log path is a file below the pod's log directory; the kubelet reads and deletes it as root.
	if p := c.GetLogPath(); p != "" && !filepath.IsLocal(p) {
		return invalid("config.log_path: %q leads out of the log directory", p)
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
