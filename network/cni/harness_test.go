// SPDX-License-Identifier: Apache-2.0

package cni

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"crisp/network/attachment"
	"crisp/network/internal/isolate"
	"crisp/network/netns"
)

// lab is a node with the fake plugin.
type lab struct {
	testing.TB
	*Network
	options Options
	// plugin holds what the plugin keeps.
	plugin string
	pins   *netns.Pins
}

func newLab(t testing.TB) *lab {
	t.Helper()
	isolate.Need(t)
	dir := t.TempDir()
	l := &lab{TB: t, plugin: filepath.Join(dir, "plugin"), options: Options{
		ConfDir: filepath.Join(dir, "net.d"), BinDirs: []string{filepath.Join(dir, "bin")}, CacheDir: filepath.Join(dir, "cache"),
		Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	}}
	for _, d := range []string{l.plugin, l.options.ConfDir, l.options.BinDirs[0]} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	l.install("fake")
	var err error
	if l.pins, err = netns.OpenPins(filepath.Join(dir, "netns")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.close)
	l.open()
	return l
}

func (l *lab) open() {
	l.Helper()
	var err error
	if l.Network, err = Open(l.options); err != nil {
		l.Fatal(err)
	}
}

// kill9 is a daemon that was killed, and the next one.
func (l *lab) kill9() {
	l.Helper()
	l.Network.Close()
	l.open()
}

func (l *lab) close() {
	l.Network.Close()
	ids, err := l.pins.List()
	if err != nil {
		l.Error(err)
	}
	for _, id := range ids {
		if err := l.pins.Remove(id); err != nil {
			l.Error(err)
		}
	}
	if err := l.pins.Close(); err != nil {
		l.Error(err)
	}
}

// install makes the fake plugin one of the given name.
func (l *lab) install(name string) {
	l.Helper()
	if err := os.Symlink(builtPlugin(l), filepath.Join(l.options.BinDirs[0], name)); err != nil {
		l.Fatal(err)
	}
}

// conflist is a configuration of the given version with one plugin and more fields for it (JSON, with a comma first).
func (l *lab) conflist(version, more string) string {
	return fmt.Sprintf(`{"cniVersion": %q, "name": "testnet", "plugins": [{"type": "fake", "dir": %q%s}]}`, version, l.plugin, more)
}

func (l *lab) write(name, content string) {
	l.Helper()
	if err := os.WriteFile(filepath.Join(l.options.ConfDir, name), []byte(content), 0o600); err != nil {
		l.Fatal(err)
	}
}

func (l *lab) remove(name string) {
	l.Helper()
	if err := os.Remove(filepath.Join(l.options.ConfDir, name)); err != nil {
		l.Fatal(err)
	}
}

// order has the plugin fail, hang, … at a command ("fail DEL"), until the returned function is called.
func (l *lab) order(what string) (cancel func()) {
	l.Helper()
	path := filepath.Join(l.plugin, what)
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		l.Fatal(err)
	}
	return func() {
		if err := os.Remove(path); err != nil {
			l.Error(err)
		}
	}
}

func newID() string {
	b := make([]byte, 32)
	rand.Read(b)
	return hex.EncodeToString(b)
}

func (l *lab) pod() attachment.Pod {
	l.Helper()
	p := attachment.Pod{ID: newID(), Name: "web-0", Namespace: "default", UID: "c0ffee"}
	var err error
	if p.NetNS, err = l.pins.New(p.ID); err != nil {
		l.Fatal(err)
	}
	return p
}

func (l *lab) attach(p attachment.Pod) attachment.Result {
	l.Helper()
	res, err := l.Attach(l.Context(), p)
	if err != nil {
		l.Fatal(err)
	}
	return res
}

func (l *lab) detach(p attachment.Pod) {
	l.Helper()
	if err := l.Detach(l.Context(), p.ID); err != nil {
		l.Fatal(err)
	}
}

// calls gives what the plugin was called with since the last time.
func (l *lab) calls() []call {
	l.Helper()
	path := filepath.Join(l.plugin, "calls")
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		l.Fatal(err)
	}
	var all []call
	for line := range strings.Lines(string(data)) {
		var c call
		if err := json.Unmarshal([]byte(line), &c); err != nil {
			l.Fatal(err)
		}
		all = append(all, c)
	}
	if err := os.Remove(path); err != nil {
		l.Fatal(err)
	}
	return all
}

// wantCommands fails unless the plugin was called just so since the last time.
func (l *lab) wantCommands(want ...string) []call {
	l.Helper()
	calls := l.calls()
	var got []string
	for _, c := range calls {
		got = append(got, c.Command)
	}
	if !slices.Equal(got, want) {
		l.Errorf("the plugin was called for %v, want %v", got, want)
	}
	return calls
}

// wantReserved fails unless this many addresses are reserved.
func (l *lab) wantReserved(want int) {
	l.Helper()
	got := 0
	if err := forEachAddress(l.plugin, func(string, string) error { got++; return nil }); err != nil {
		l.Fatal(err)
	}
	if got != want {
		l.Errorf("%d addresses are reserved, want %d", got, want)
	}
}

// wantNoFiles fails if a record or a cached result is left.
func (l *lab) wantNoFiles() {
	l.Helper()
	for _, dir := range []string{"attachments", "results"} {
		left, err := os.ReadDir(filepath.Join(l.options.CacheDir, dir))
		if err != nil && !errors.Is(err, os.ErrNotExist) || len(left) > 0 {
			l.Errorf("%s: %v, %v", dir, left, err)
		}
	}
}
