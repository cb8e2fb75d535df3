// SPDX-License-Identifier: Apache-2.0

package config

import (
	"bytes"
	"path/filepath"
	"time"

	"github.com/pelletier/go-toml/v2"

	"crisp/network/bridge"
)

// Config is everything that an operator can set. contrib/crisp.toml shows each key with its default.
type Config struct {
	// Root holds what survives a reboot: images, layers, the records of pods and containers.
	Root string `toml:"root"`
	// State holds what belongs to this boot: sockets, network namespaces, bundles. It should be on a tmpfs.
	State string `toml:"state"`

	Server  Server  `toml:"server"`
	Runtime Runtime `toml:"runtime"`
	Image   Image   `toml:"image"`
	Network Network `toml:"network"`
	Log     Log     `toml:"log"`
}

// Server is how the kubelet reaches crisp.
type Server struct {
	// Listen is the path of the CRI's Unix socket; "" means crisp.sock in State.
	Listen string `toml:"listen"`
	// MaxMessageSize bounds a gRPC message in both directions, in bytes.
	MaxMessageSize int `toml:"max_message_size"`
	// StreamAddress is where exec, attach and port-forward sessions are served; port 0 takes a free one.
	StreamAddress string `toml:"stream_address"`
	// StreamIdleTimeout ends a session on which nothing happens.
	StreamIdleTimeout Duration `toml:"stream_idle_timeout"`
}

// Runtime is how pods and containers run where the CRI leaves it open.
type Runtime struct {
	// CgroupDriver is who makes cgroups: cgroupfs (crisp itself) or systemd. The kubelet asks for it, and takes the same.
	CgroupDriver string `toml:"cgroup_driver"`
	// CgroupParent is for pods that name none; "" means /crisp, or /crisp.slice with systemd.
	CgroupParent string `toml:"cgroup_parent"`
	// RejectAbsentMounts makes a bind mount whose host path is absent an error, as the CRI's text asks. Off, the
	// directory is made, as the other runtimes do and the kubelet's hostPath volumes of type "" expect.
	RejectAbsentMounts bool `toml:"reject_absent_mounts"`
}

// Image is where images come from.
type Image struct {
	// RegistryDir holds HOST/hosts.toml files: mirrors and TLS settings of each registry.
	RegistryDir string `toml:"registry_dir"`
	// RegistriesConf and RegistriesConfDir are the file and the drop-ins of containers-registries.conf(5), for registries without a
	// hosts.toml, and for short names.
	RegistriesConf    string `toml:"registries_conf"`
	RegistriesConfDir string `toml:"registries_conf_dir"`
	// CertDirs have a directory HOST:PORT each for a registry's certificates, as containers-certs.d(5).
	CertDirs []string `toml:"cert_dirs"`
	// AuthFile is an auth.json or a docker config.json, for pulls that bring no credentials.
	AuthFile string `toml:"auth_file"`
	// NamespaceAuthDir has NAMESPACE-SHA256(image).json: credentials of one namespace for one image, before AuthFile.
	NamespaceAuthDir string `toml:"namespace_auth_dir"`
	// PolicyFile is the policy.json of containers-policy.json(5): which images may be pulled, and who must have signed them. Without the
	// file, all may be. PolicyDir has NAMESPACE.json, which count instead for their namespaces.
	PolicyFile string `toml:"policy_file"`
	PolicyDir  string `toml:"policy_dir"`
	// SignaturesDir says where signatures are: registries.d of containers-registries.d(5).
	SignaturesDir string `toml:"signatures_dir"`
	// MaxDownloads is how many layers are fetched at a time, over all pulls.
	MaxDownloads int `toml:"max_downloads"`
	// Pinned are images that the kubelet must not collect: a name, "prefix*" or "*part*".
	Pinned []string `toml:"pinned"`
}

// Network is how pods are connected.
type Network struct {
	// CNIConfDir is watched for network configurations; the first in lexical order counts. With none, Bridge serves.
	CNIConfDir string `toml:"cni_conf_dir"`
	// CNIBinDirs are searched for CNI plugins, in this order.
	CNIBinDirs []string `toml:"cni_bin_dirs"`
	Bridge     Bridge   `toml:"bridge"`
}

// Bridge is the network that crisp carries itself.
type Bridge struct {
	// Enabled is whether it serves while there is no CNI configuration. Without either the node's network is not ready,
	// which a node of a cluster wants whose network comes later as a CNI configuration.
	Enabled bool `toml:"enabled"`
	// Name is the bridge's interface.
	Name string `toml:"name"`
	// IPv4 and IPv6 are the prefixes that pods get addresses of. IPv6 "" leaves that family out.
	IPv4 string `toml:"ipv4"`
	IPv6 string `toml:"ipv6"`
	// MTU of the bridge and the pods in bytes; 0 takes that of the interface with the default route.
	MTU int `toml:"mtu"`
}

// Log is what the daemon writes to its standard error.
type Log struct {
	// Level is the least important level that is written: debug, info, warn or error.
	Level string `toml:"level"`
	// Format is text or json.
	Format string `toml:"format"`
}

// The drivers of cgroups.
const (
	Cgroupfs = "cgroupfs"
	Systemd  = "systemd"
)

// Default returns the configuration of a daemon that has no file and no flags, but for what follows from others (resolve).
func Default() Config {
	return Config{
		Root:  "/var/lib/crisp",
		State: "/run/crisp",
		Server: Server{
			MaxMessageSize:    80 << 20, // as CRI-O; a client's own receive limit is 16 MiB
			StreamAddress:     "127.0.0.1:0",
			StreamIdleTimeout: Duration(4 * time.Hour), // as the other runtimes
		},
		Runtime: Runtime{CgroupDriver: Cgroupfs},
		Image: Image{
			RegistryDir: "/etc/crisp/certs.d", RegistriesConf: "/etc/containers/registries.conf", RegistriesConfDir: "/etc/containers/registries.conf.d",
			CertDirs: []string{"/etc/containers/certs.d", "/etc/docker/certs.d"}, AuthFile: "/etc/crisp/auth.json",
			NamespaceAuthDir: "/etc/crisp/auth", PolicyFile: "/etc/containers/policy.json", PolicyDir: "/etc/crisp/policies",
			SignaturesDir: "/etc/containers/registries.d", MaxDownloads: 6, Pinned: []string{},
		},
		Network: Network{
			CNIConfDir: "/etc/cni/net.d",
			CNIBinDirs: []string{"/opt/cni/bin"},
			Bridge:     Bridge{Enabled: true, Name: bridge.DefaultName, IPv4: bridge.DefaultIPv4, IPv6: bridge.DefaultIPv6},
		},
		Log: Log{Level: "info", Format: "text"},
	}
}

// resolve fills in what follows from other keys.
func (c *Config) resolve() {
	if c.Server.Listen == "" && c.State != "" {
		c.Server.Listen = filepath.Join(c.State, "crisp.sock")
	}
	if c.Runtime.CgroupParent == "" {
		c.Runtime.CgroupParent = "/crisp"
		if c.Runtime.CgroupDriver == Systemd {
			c.Runtime.CgroupParent = "/crisp.slice"
		}
	}
}

// Encode returns c as TOML.
func (c *Config) Encode() ([]byte, error) {
	var b bytes.Buffer
	e := toml.NewEncoder(&b)
	e.SetIndentTables(false)
	err := e.Encode(c)
	return b.Bytes(), err
}

// Map returns c as its TOML keys, for showing it in another format.
func (c *Config) Map() (map[string]any, error) {
	text, err := c.Encode()
	if err != nil {
		return nil, err
	}
	var m map[string]any
	return m, toml.Unmarshal(text, &m)
}
