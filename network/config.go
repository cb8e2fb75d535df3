// SPDX-License-Identifier: Apache-2.0

package network

import (
	"log/slog"
	"path/filepath"

	"crisp/network/attachment"
	"crisp/network/bridge"
)

// The terms of a pod's attachment; see package attachment.
type (
	Pod         = attachment.Pod
	PortMapping = attachment.PortMapping
	Protocol    = attachment.Protocol
	DNS         = attachment.DNS
	Result      = attachment.Result
	Interface   = attachment.Interface
	// BridgeConfig describes the embedded bridge network.
	BridgeConfig = bridge.Config
)

// The protocols that a port mapping can have.
const (
	TCP  = attachment.TCP
	UDP  = attachment.UDP
	SCTP = attachment.SCTP
)

// Config says where the network's configuration and state live. The zero value of each field has a default.
type Config struct {
	// CNIConfDir is where conflists are looked for, /etc/cni/net.d. The first in lexical order is used.
	CNIConfDir string
	// CNIBinDirs are where plugins are looked for, /opt/cni/bin.
	CNIBinDirs []string
	// CNIShared: another runtime of the node uses the same CNI configuration. The plugins' GC is left out then: it would free
	// what the other one's pods hold.
	CNIShared bool
	// CacheDir holds what is needed to undo a CNI attachment, DataDir/cni.
	CacheDir string
	// StateDir holds the pins of network namespaces in its folder netns, /run/crisp. It is lost at a reboot.
	StateDir string
	// DataDir holds the embedded network's addresses, /var/lib/crisp/network.
	DataDir string
	// Bridge is the embedded network, used when CNIConfDir has no configuration.
	Bridge BridgeConfig
	// Log is where warnings go, slog.Default().
	Log *slog.Logger
}

func (c Config) withDefaults() Config {
	if c.CNIConfDir == "" {
		c.CNIConfDir = "/etc/cni/net.d"
	}
	if len(c.CNIBinDirs) == 0 {
		c.CNIBinDirs = []string{"/opt/cni/bin"}
	}
	if c.StateDir == "" {
		c.StateDir = "/run/crisp"
	}
	if c.DataDir == "" {
		c.DataDir = "/var/lib/crisp/network"
	}
	if c.CacheDir == "" {
		c.CacheDir = filepath.Join(c.DataDir, "cni")
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	return c
}
