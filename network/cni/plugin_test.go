// SPDX-License-Identifier: Apache-2.0

package cni

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// The fake plugin is the program in testdata/plugin: small, so that hundreds of calls take no time under the race detector. What
// it writes down is read with these types.
type pluginConf struct {
	Name          string         `json:"name"`
	RuntimeConfig map[string]any `json:"runtimeConfig"`
	PrevResult    map[string]any `json:"prevResult"`
	Attachments   []any          `json:"cni.dev/attachments"`
}

type call struct {
	Command, Plugin, ID, NetNS, IfName, Args, Path string
	Conf                                           pluginConf
}

// builtPlugin builds the plugin, once, and gives its path. It goes with the temporary files of all tests.
func builtPlugin(t testing.TB) string {
	t.Helper()
	path, err := buildOnce()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

var buildOnce = sync.OnceValues(func() (string, error) {
	path := filepath.Join(os.TempDir(), "plugin")
	c := exec.Command("go", "build", "-o", path, "./testdata/plugin")
	c.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	if out, err := c.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the fake plugin: %w\n%s", err, out)
	}
	return path, nil
})

func forEachAddress(dir string, f func(path, owner string) error) error {
	paths, err := filepath.Glob(filepath.Join(dir, "ip *"))
	if err != nil {
		return err
	}
	for _, p := range paths {
		owner, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		if err := f(p, strings.TrimSpace(string(owner))); err != nil {
			return err
		}
	}
	return nil
}
