// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

const (
	conf4 = "/proc/sys/net/ipv4/conf"
	conf6 = "/proc/sys/net/ipv6/conf"
)

// setSysctl writes a value if it is another one: /proc/sys may be read-only and right.
func setSysctl(path, value string) error {
	now, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if strings.TrimSpace(string(now)) == value {
		return nil
	}
	if err := os.WriteFile(path, []byte(value), 0); err != nil {
		return fmt.Errorf("set sysctl to %s: %w", value, err)
	}
	return nil
}

// hasIPv6 says whether the kernel has IPv6 and nobody disabled it for the node.
func hasIPv6() bool {
	off, err := os.ReadFile(filepath.Join(conf6, "all/disable_ipv6"))
	return err == nil && strings.TrimSpace(string(off)) == "0"
}

// forwardIPv4 lets the node pass packets on between the bridge and its other interfaces, and lets connections to the node's
// 127.0.0.1 lead to the bridge (see ruleset.addGuard for what that would open).
func forwardIPv4(bridge string) error {
	if err := setSysctl("/proc/sys/net/ipv4/ip_forward", "1"); err != nil {
		return err
	}
	if err := setSysctl(filepath.Join(conf4, bridge, "forwarding"), "1"); err != nil {
		return err
	}
	return setSysctl(filepath.Join(conf4, bridge, "route_localnet"), "1")
}

// enableIPv6 prepares the bridge for its address: it takes no router advertisements from pods (CVE-2020-13401), and has its link-local
// address without a second of looking for a duplicate (without one the node does not ask for pods' hardware addresses).
func enableIPv6(bridge string) error {
	for _, s := range [][2]string{{"disable_ipv6", "0"}, {"accept_ra", "0"}, {"accept_dad", "0"}} {
		if err := setSysctl(filepath.Join(conf6, bridge, s[0]), s[1]); err != nil {
			return err
		}
	}
	return nil
}

// forwardIPv6 lets the node pass IPv6 packets on. A kernel that forwards stops to take router advertisements on
// interfaces with accept_ra 1, and with them the node would lose its own default route: they get 2 first. The
// default for later interfaces stays, so that no bridge of somebody else begins to listen to its containers.
func forwardIPv6() error {
	const all = conf6 + "/all/forwarding"
	now, err := os.ReadFile(all)
	if err != nil {
		return err
	}
	if strings.TrimSpace(string(now)) == "1" {
		return nil
	}
	interfaces, err := os.ReadDir(conf6)
	if err != nil {
		return err
	}
	for _, i := range interfaces {
		if i.Name() == "all" || i.Name() == "default" {
			continue
		}
		path := filepath.Join(conf6, i.Name(), "accept_ra")
		ra, err := os.ReadFile(path)
		if err != nil || strings.TrimSpace(string(ra)) != "1" {
			continue
		}
		if err := setSysctl(path, "2"); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return setSysctl(all, "1")
}
