// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"crisp/oci/cgroup/systemd"
)

// Levels and formats of the log.
var (
	levels = map[string]slog.Level{
		"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError,
	}
	formats = []string{"text", "json"}
)

// Validate checks each value by itself and against its neighbours. It returns all that is wrong, each with its key.
func (c *Config) Validate() error {
	var v violations
	v.absolute("root", c.Root)
	v.absolute("state", c.State)
	if c.Root == c.State && c.Root != "" {
		v.add("state", "must not be root's directory: it is emptied at boot")
	}
	c.Server.validate(&v)
	c.Runtime.validate(&v)
	v.absolute("image.registry_dir", c.Image.RegistryDir)
	for key, path := range map[string]string{
		"registries_conf": c.Image.RegistriesConf, "registries_conf_dir": c.Image.RegistriesConfDir,
		"auth_file": c.Image.AuthFile, "namespace_auth_dir": c.Image.NamespaceAuthDir,
		"policy_file": c.Image.PolicyFile, "policy_dir": c.Image.PolicyDir, "signatures_dir": c.Image.SignaturesDir,
	} {
		if path != "" {
			v.absolute("image."+key, path)
		}
	}
	for _, dir := range c.Image.CertDirs {
		v.absolute("image.cert_dirs", dir)
	}
	v.between("image.max_downloads", c.Image.MaxDownloads, 1, 64)
	c.Network.validate(&v)
	if _, ok := levels[c.Log.Level]; !ok {
		v.add("log.level", fmt.Sprintf("%q is none of debug, info, warn, error", c.Log.Level))
	}
	if !slices.Contains(formats, c.Log.Format) {
		v.add("log.format", fmt.Sprintf("%q is none of %s", c.Log.Format, strings.Join(formats, ", ")))
	}
	return errors.Join(v...)
}

func (s *Server) validate(v *violations) {
	v.absolute("server.listen", s.Listen)
	// A Unix socket's path with its NUL must fit in sockaddr_un.sun_path's 108 bytes, unix(7).
	if len(s.Listen) > 107 {
		v.add("server.listen", fmt.Sprintf("%d bytes long: a Unix socket's path has at most 107", len(s.Listen)))
	}
	// Below 4 MiB (gRPC's own default) a node's pod list no longer fits; sizes are ints on the wire of 32-bit peers.
	v.between("server.max_message_size", s.MaxMessageSize, 4<<20, 1<<30)
	v.hostPort("server.stream_address", s.StreamAddress)
	if s.StreamIdleTimeout <= 0 {
		v.add("server.stream_idle_timeout", "must be over 0")
	}
}

func (r *Runtime) validate(v *violations) {
	v.absolute("runtime.cgroup_parent", r.CgroupParent)
	isSlice := strings.HasSuffix(r.CgroupParent, ".slice")
	switch r.CgroupDriver {
	case Cgroupfs:
		if isSlice {
			v.add("runtime.cgroup_parent", "a systemd slice: cgroup_driver is cgroupfs")
		}
	case Systemd:
		if _, err := systemd.ExpandSlice(filepath.Base(r.CgroupParent)); err != nil {
			v.add("runtime.cgroup_parent", fmt.Sprintf("%q is no systemd slice: cgroup_driver is systemd", r.CgroupParent))
		}
	default:
		v.add("runtime.cgroup_driver", fmt.Sprintf("%q is none of cgroupfs, systemd", r.CgroupDriver))
	}
}

func (n *Network) validate(v *violations) {
	v.absolute("network.cni_conf_dir", n.CNIConfDir)
	for i, dir := range n.CNIBinDirs {
		v.absolute(fmt.Sprintf("network.cni_bin_dirs[%d]", i), dir)
	}
	// IFNAMSIZ is 16 with the NUL; '/' and whitespace are refused by the kernel (dev_valid_name).
	name := n.Bridge.Name
	if name == "" || len(name) > 15 || strings.ContainsAny(name, "/: \t\n\v\f\r\x00") || name == "." || name == ".." {
		v.add("network.bridge.name", fmt.Sprintf("%q is no name of an interface", name))
	}
	v.prefix("network.bridge.ipv4", n.Bridge.IPv4, netip.Addr.Is4)
	if n.Bridge.IPv6 != "" {
		v.prefix("network.bridge.ipv6", n.Bridge.IPv6, netip.Addr.Is6)
	}
	if mtu := n.Bridge.MTU; mtu != 0 {
		v.between("network.bridge.mtu", mtu, 1280, 65535) // RFC 8200 section 5: IPv6 needs 1280
	}
}

// violations collects what is wrong, each as "key: what".
type violations []error

func (v *violations) add(key, what string) { *v = append(*v, fmt.Errorf("%s: %s", key, what)) }

func (v *violations) absolute(key, path string) {
	switch {
	case !filepath.IsAbs(path):
		v.add(key, fmt.Sprintf("%q is no absolute path", path))
	case strings.ContainsRune(path, 0):
		v.add(key, "contains a NUL byte")
	case filepath.Clean(path) != path:
		v.add(key, fmt.Sprintf("%q is not in its shortest form %q", path, filepath.Clean(path)))
	}
}

func (v *violations) between(key string, n, low, high int) {
	if n < low || n > high {
		v.add(key, fmt.Sprintf("%d is not between %d and %d", n, low, high))
	}
}

// hostPort checks a listen address. Its host must be an address: a name could resolve to something that is reachable
// from outside.
func (v *violations) hostPort(key, value string) {
	host, port, err := net.SplitHostPort(value)
	if err != nil {
		v.add(key, fmt.Sprintf("%q is no host:port", value))
		return
	}
	if _, err := netip.ParseAddr(host); err != nil {
		v.add(key, fmt.Sprintf("%q is no IP address", host))
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		v.add(key, fmt.Sprintf("%q is no port", port))
	}
}

func (v *violations) prefix(key, value string, family func(netip.Addr) bool) {
	p, err := netip.ParsePrefix(value)
	switch {
	case err != nil || !family(p.Addr()):
		v.add(key, fmt.Sprintf("%q is no prefix of this family", value))
	case p.Masked() != p:
		v.add(key, fmt.Sprintf("%q has host bits: write %s", value, p.Masked()))
	case p.Bits() > p.Addr().BitLen()-3:
		v.add(key, fmt.Sprintf("%q has no room for pods", value))
	}
}

// SlogLevel is Level for slog; an invalid one counts as info.
func (l *Log) SlogLevel() slog.Level { return levels[l.Level] }
