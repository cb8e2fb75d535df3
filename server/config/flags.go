// SPDX-License-Identifier: Apache-2.0

package config

import (
	"flag"
	"fmt"
	"strings"
)

// Flags are the command line's part of the configuration. The zero value is ready for Register.
type Flags struct {
	path      string
	overrides []func(*Config) // in the order of the command line, applied over the files
}

// Register declares the flags in fs.
func (f *Flags) Register(fs *flag.FlagSet) {
	fs.StringVar(&f.path, "config", "", "configuration `file` (default "+DefaultPath+", which may be absent)")
	f.text(fs, "root", "durable state: `directory` for images and records", func(c *Config) *string { return &c.Root })
	f.text(fs, "state", "this boot's state: `directory` for sockets and namespaces", func(c *Config) *string { return &c.State })
	f.text(fs, "listen", "`path` of the CRI socket (default crisp.sock in the state directory)", func(c *Config) *string { return &c.Server.Listen })
	f.text(fs, "stream-addr", "`host:port` for exec, attach and port-forward", func(c *Config) *string { return &c.Server.StreamAddress })
	f.text(fs, "cgroup-driver", "`driver` of cgroups: cgroupfs or systemd", func(c *Config) *string { return &c.Runtime.CgroupDriver })
	f.text(fs, "cgroup-parent", "cgroup `path` for pods that name none (default /crisp; with systemd /crisp.slice)", func(c *Config) *string { return &c.Runtime.CgroupParent })
	f.text(fs, "registry-dir", "`directory` of HOST/hosts.toml files", func(c *Config) *string { return &c.Image.RegistryDir })
	f.text(fs, "cni-conf-dir", "`directory` of CNI network configurations", func(c *Config) *string { return &c.Network.CNIConfDir })
	f.list(fs, "cni-bin-dir", "`directory` of CNI plugins; may be repeated", func(c *Config) *[]string { return &c.Network.CNIBinDirs })
	f.text(fs, "bridge", "`name` of the embedded network's bridge", func(c *Config) *string { return &c.Network.Bridge.Name })
	f.text(fs, "bridge-ipv4", "IPv4 `prefix` of the embedded network", func(c *Config) *string { return &c.Network.Bridge.IPv4 })
	f.text(fs, "bridge-ipv6", "IPv6 `prefix` of the embedded network", func(c *Config) *string { return &c.Network.Bridge.IPv6 })
	f.text(fs, "log-level", "`level`: debug, info, warn or error", func(c *Config) *string { return &c.Log.Level })
	f.text(fs, "log-format", "`format`: text or json", func(c *Config) *string { return &c.Log.Format })
}

// text declares a flag that sets one string.
func (f *Flags) text(fs *flag.FlagSet, name, usage string, field func(*Config) *string) {
	def := Default()
	if v := *field(&def); v != "" {
		usage += fmt.Sprintf(" (default %s)", v)
	}
	fs.Func(name, usage, func(value string) error {
		f.overrides = append(f.overrides, func(c *Config) { *field(c) = value })
		return nil
	})
}

// list declares a flag whose first use replaces a list and whose further uses add to it.
func (f *Flags) list(fs *flag.FlagSet, name, usage string, field func(*Config) *[]string) {
	def := Default()
	usage += fmt.Sprintf(" (default %s)", strings.Join(*field(&def), ", "))
	first := true
	fs.Func(name, usage, func(value string) error {
		replace := first
		first = false
		f.overrides = append(f.overrides, func(c *Config) {
			if replace {
				*field(c) = nil
			}
			*field(c) = append(*field(c), value)
		})
		return nil
	})
}

// Load reads the files, lays the flags over them and validates the whole. It may be called again to read changed files.
func (f *Flags) Load() (Config, error) {
	c := Default()
	path := f.path
	if path == "" {
		path = DefaultPath
	}
	if err := c.mergeFiles(path, f.path != ""); err != nil {
		return Config{}, err
	}
	for _, override := range f.overrides {
		override(&c)
	}
	c.resolve()
	return c, c.Validate()
}
