// SPDX-License-Identifier: Apache-2.0

package cni

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/containernetworking/cni/libcni"
)

// maxConfig bounds a configuration file.
const maxConfig = 1 << 20

// config is the configuration of a network: a list of plugins, which are called one after the other.
type config struct {
	// file is where it was found, "" for one from a record.
	file string
	list *libcni.NetworkConfigList
}

// signature changes when any configuration file changes: the names, inodes, sizes and times of all of them. It is
// compared each time the configuration is wanted. That takes 20 µs, is right at that very moment, and needs no inotify instance, of which
// a node has 128 by default and other programs use all (containerd#10309).
type signature string

// look lists the directory's configuration files in the order in which they are preferred.
func look(dir string) (files []string, sig signature, err error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, "", nil
	}
	if err != nil {
		return nil, "", fmt.Errorf("look for CNI configurations: %w", err)
	}
	var b strings.Builder
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		// Stat follows links: installers like to link the real file.
		info, err := os.Stat(path)
		if err != nil {
			continue
		}
		if info.IsDir() {
			sign(&b, info)
			signFolder(&b, path)
			continue
		}
		if ext := filepath.Ext(e.Name()); ext == ".conf" || ext == ".conflist" || ext == ".json" {
			sign(&b, info)
			files = append(files, path)
		}
	}
	return files, signature(b.String()), nil
}

// signFolder takes in what libcni reads besides the list: <dir>/<network>/*.conf, unless loadOnlyInlinedPlugins.
func signFolder(b *strings.Builder, dir string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		if info, err := os.Stat(filepath.Join(dir, e.Name())); err == nil {
			sign(b, info)
		}
	}
}

func sign(b *strings.Builder, info fs.FileInfo) {
	ino, ctime := inode(info)
	fmt.Fprintf(b, "%s %d %d %d %d\n", info.Name(), info.Size(), info.ModTime().UnixNano(), ctime, ino)
}

// read reads one file: a list, or a single plugin as it was before the specification's version 0.3.
func read(file string) (*config, error) {
	list, err := readList(file)
	if err != nil {
		return nil, fmt.Errorf("CNI configuration %s: %w: %w", file, ErrBadConfig, err)
	}
	return &config{file: file, list: list}, nil
}

func readList(file string) (*libcni.NetworkConfigList, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxConfig {
		return nil, fmt.Errorf("not a regular file of at most %d bytes", maxConfig)
	}
	if filepath.Ext(file) == ".conflist" {
		list, err := libcni.NetworkConfFromFile(file)
		if err != nil {
			return nil, err
		}
		return list, checkList(list)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return parseSingle(data)
}

// parseSingle reads the configuration of one plugin and makes a list of it. A list in a .conf or .json file is taken for what it is.
func parseSingle(data []byte) (*libcni.NetworkConfigList, error) {
	var probe struct {
		CNIVersion string          `json:"cniVersion"`
		Name       string          `json:"name"`
		Plugins    json.RawMessage `json:"plugins"`
	}
	if err := json.Unmarshal(data, &probe); err != nil {
		return nil, err
	}
	if probe.Plugins != nil {
		return parseList(data)
	}
	if probe.Name == "" {
		return nil, errors.New("no name")
	}
	list, err := json.Marshal(map[string]any{
		"cniVersion": probe.CNIVersion, "name": probe.Name, "loadOnlyInlinedPlugins": true, "plugins": []json.RawMessage{data},
	})
	if err != nil {
		return nil, err
	}
	return parseList(list)
}

// parseList reads a list with all plugins inline, which is the form of records too.
func parseList(data []byte) (*libcni.NetworkConfigList, error) {
	list, err := libcni.NetworkConfFromBytes(data)
	if err != nil {
		return nil, err
	}
	return list, checkList(list)
}

func checkList(list *libcni.NetworkConfigList) error {
	if len(list.Plugins) == 0 {
		return errors.New("no plugins")
	}
	for i, p := range list.Plugins {
		if p == nil || p.Network == nil || p.Network.Type == "" {
			return fmt.Errorf("plugin %d has no type", i)
		}
		// FindInPath joins it to each directory, and refuses only path separators.
		if strings.Trim(p.Network.Type, ".") == "" {
			return fmt.Errorf("plugin %d has the type %q", i, p.Network.Type)
		}
	}
	return nil
}

// inline writes the list with all plugins in it, also those that came from files of their own. DEL must
// work after any of the files changed.
func inline(list *libcni.NetworkConfigList) (json.RawMessage, error) {
	out := struct {
		CNIVersion             string            `json:"cniVersion"`
		Name                   string            `json:"name"`
		DisableCheck           bool              `json:"disableCheck,omitempty"`
		DisableGC              bool              `json:"disableGC,omitempty"`
		LoadOnlyInlinedPlugins bool              `json:"loadOnlyInlinedPlugins"`
		Plugins                []json.RawMessage `json:"plugins"`
	}{list.CNIVersion, list.Name, list.DisableCheck, list.DisableGC, true, nil}
	for _, p := range list.Plugins {
		out.Plugins = append(out.Plugins, p.Bytes)
	}
	return json.Marshal(out)
}

// declares says whether any plugin asks for the capability.
func (c *config) declares(capability string) bool {
	return slices.ContainsFunc(c.list.Plugins, func(p *libcni.PluginConfig) bool {
		return p.Network.Capabilities[capability]
	})
}
