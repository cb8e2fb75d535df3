// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"path/filepath"
	"time"

	"crisp/image"
	"crisp/image/policy"
	"crisp/image/registries"
	"crisp/network"
	"crisp/oci"
	"crisp/oci/cgroup"
	"crisp/oci/cgroup/systemd"
	"crisp/sandbox"
	"crisp/server"
	"crisp/server/config"
	"crisp/server/stream"
)

// node is the domain below the server, in the order in which it is opened; it is closed the other way round.
type node struct {
	images  *image.Store
	network *network.Manager
	pods    *sandbox.Manager
	streams *stream.Server
	opened  []io.Closer
}

// openNode opens the stores and restores the pods.
func openNode(ctx context.Context, c *config.Config) (*node, error) {
	n := &node{}
	if err := n.open(ctx, c); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	return n, nil
}

func (n *node) open(ctx context.Context, c *config.Config) error {
	var err error
	n.images, err = image.Open(ctx, imageConfig(c))
	if err := n.own("image store", n.images, err); err != nil {
		return err
	}
	n.network, err = network.New(networkConfig(c))
	if err := n.own("network", n.network, err); err != nil {
		return err
	}
	cgroups, err := openCgroups(c)
	if err := n.own("cgroups", cgroups, err); err != nil {
		return err
	}
	runtime, err := oci.New(oci.Config{Cgroups: cgroups})
	if err := n.own("OCI runtime", runtime, err); err != nil {
		return err
	}
	n.pods, err = sandbox.New(ctx, sandbox.Config{
		Root: c.Root, State: c.State, Images: n.images, Network: n.network, OCI: runtime,
		Defaults: sandbox.Defaults{
			CgroupParent: c.Runtime.CgroupParent, Systemd: c.Runtime.CgroupDriver == config.Systemd, RejectAbsent: c.Runtime.RejectAbsentMounts,
		},
	})
	if err := n.own("pods", n.pods, err); err != nil {
		return err
	}
	n.streams, err = stream.New(stream.Config{
		Address: c.Server.StreamAddress, IdleTimeout: time.Duration(c.Server.StreamIdleTimeout),
	}, n.pods)
	return n.own("streaming", n.streams, err)
}

// imageConfig is what the configuration says of images.
func imageConfig(c *config.Config) image.Config {
	return image.Config{
		Root: filepath.Join(c.Root, "images"), RegistryDir: c.Image.RegistryDir,
		Registries: registries.Config{
			Conf: c.Image.RegistriesConf, ConfDir: c.Image.RegistriesConfDir, CertDirs: c.Image.CertDirs,
			AuthFile: c.Image.AuthFile, NamespaceAuthDir: c.Image.NamespaceAuthDir,
		},
		Policy:       policy.Config{File: c.Image.PolicyFile, NamespaceDir: c.Image.PolicyDir, RegistriesDir: c.Image.SignaturesDir},
		MaxDownloads: c.Image.MaxDownloads, Pinned: c.Image.Pinned,
	}
}

// openCgroups has systemd at hand whatever the driver: pods that were made by it stay when the driver is changed.
func openCgroups(c *config.Config) (*cgroup.Manager, error) {
	driver := systemd.New(systemd.Config{})
	if c.Runtime.CgroupDriver == config.Systemd {
		if err := driver.Booted(); err != nil {
			return nil, fmt.Errorf("runtime.cgroup_driver: %w", err)
		}
	}
	return cgroup.New(cgroup.Config{Driver: driver})
}

// own takes what a constructor returned: a part is closed with the node, an error gets the part's name.
func (n *node) own(name string, part io.Closer, err error) error {
	if err != nil {
		return fmt.Errorf("open %s: %w", name, err)
	}
	n.opened = append(n.opened, part)
	return nil
}

// Close closes all parts. Pods go on running.
func (n *node) Close() error {
	var errs []error
	for i := len(n.opened) - 1; i >= 0; i-- {
		errs = append(errs, n.opened[i].Close())
	}
	n.opened = nil
	return errors.Join(errs...)
}

// networkConfig translates c, whose prefixes are valid.
func networkConfig(c *config.Config) network.Config {
	data, b := filepath.Join(c.Root, "network"), c.Network.Bridge
	nc := network.Config{
		CNIConfDir: c.Network.CNIConfDir, CNIBinDirs: c.Network.CNIBinDirs,
		CacheDir: filepath.Join(data, "cni"), DataDir: data, StateDir: c.State,
		Bridge: network.BridgeConfig{
			Disabled: !b.Enabled, Name: b.Name, MTU: b.MTU, IPv4: netip.MustParsePrefix(b.IPv4), IPv4Only: b.IPv6 == "",
		},
	}
	if b.IPv6 != "" {
		nc.Bridge.IPv6 = netip.MustParsePrefix(b.IPv6)
	}
	return nc
}

// serverConfig wires the server to the node.
func (n *node) serverConfig(c *config.Config) server.Config {
	return server.Config{
		Pods: n.pods, Images: n.images, Network: n.network, Sessions: n.streams,
		Version: version, MaxMessageSize: c.Server.MaxMessageSize,
		SystemdCgroups: c.Runtime.CgroupDriver == config.Systemd,
		Features:       server.ProbeFeatures(),
		Info:           func() map[string]any { return n.info(c) },
	}
}

// info is what "crictl info" shows.
func (n *node) info(c *config.Config) map[string]any {
	settings, err := c.Map()
	if err != nil {
		slog.Warn("configuration not shown", "error", err)
	}
	running := map[string]string{}
	for _, job := range n.pods.Jobs() {
		running[job.Key] = job.String()
	}
	return map[string]any{"config": settings, "build": thisBuild(), "jobs": running}
}
