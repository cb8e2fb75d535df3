// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"fmt"
	"net/netip"
	"strings"
)

// The defaults of Config. The subnets are none of those that other tools take by default: 10.85 (CRI-O), 10.88 and 10.89 (podman,
// containerd's sample), 10.42 and 10.244 (k3s, flannel), 172.17 (Docker).
const (
	DefaultName = "crisp0"
	DefaultIPv4 = "10.91.0.0/16"
	DefaultIPv6 = "fd63:7269:7370::/64"
)

// Config describes the embedded network. Several daemons on a node need different names and subnets.
type Config struct {
	// Disabled: no embedded network; without a CNI configuration the network is not ready. A node of a cluster
	// whose network arrives later as a CNI configuration wants this, so that no pod starts on the bridge before.
	Disabled bool
	// Name of the bridge, "crisp0"; at most 15 bytes.
	Name string
	// IPv4 is the pods' subnet, 10.91.0.0/16. The bridge gets its first address.
	IPv4 netip.Prefix
	// IPv6 is the pods' IPv6 subnet, fd63:7269:7370::/64. It is left out where the kernel has no IPv6.
	IPv6 netip.Prefix
	// IPv4Only leaves IPv6 out although the kernel has it.
	IPv4Only bool
	// MTU of the bridge and the pods; 0 takes that of the interface with the default route.
	MTU int
}

// withDefaults fills in what is not set and refuses what cannot work.
func (c Config) withDefaults() (Config, error) {
	if c.Name == "" {
		c.Name = DefaultName
	}
	if !c.IPv4.IsValid() {
		c.IPv4 = netip.MustParsePrefix(DefaultIPv4)
	}
	if !c.IPv6.IsValid() {
		c.IPv6 = netip.MustParsePrefix(DefaultIPv6)
	}
	c.IPv4, c.IPv6 = c.IPv4.Masked(), c.IPv6.Masked()
	return c, c.check()
}

func (c Config) check() error {
	if !validName(c.Name) {
		return fmt.Errorf("bridge name %q: %w: 1 to 15 letters, digits, '-', '_' or '.' are wanted", c.Name, ErrInvalidConfig)
	}
	if !c.IPv4.Addr().Is4() || c.IPv4.Bits() > 30 || c.IPv4.Bits() < 8 {
		return fmt.Errorf("bridge subnet %s: %w: an IPv4 subnet from /8 to /30 is wanted", c.IPv4, ErrInvalidConfig)
	}
	if !c.IPv6.Addr().Is6() || c.IPv6.Addr().Is4In6() {
		return fmt.Errorf("bridge subnet %s: %w: an IPv6 subnet is wanted", c.IPv6, ErrInvalidConfig)
	}
	// The n-th pod gets the n-th address of both, so the IPv6 subnet must be no smaller.
	if 128-c.IPv6.Bits() < 32-c.IPv4.Bits() {
		return fmt.Errorf("bridge subnet %s: %w: it has fewer addresses than %s", c.IPv6, ErrInvalidConfig, c.IPv4)
	}
	if c.MTU != 0 && (c.MTU < 1280 || c.MTU > 65535) {
		return fmt.Errorf("bridge MTU %d: %w: 1280 to 65535 is wanted", c.MTU, ErrInvalidConfig)
	}
	return nil
}

// validName: what the kernel takes (dev_valid_name) and what is a plain file and nftables name as well.
func validName(name string) bool {
	const more = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."
	return name != "" && len(name) <= 15 && strings.Trim(name, more) == "" && strings.Trim(name, ".-") != "" && name[0] != '-' && name[0] != '.'
}
