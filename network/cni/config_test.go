// SPDX-License-Identifier: Apache-2.0

package cni

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestStatusFollowsTheDirectory(t *testing.T) {
	l := newLab(t)
	if err := l.Status(); !errors.Is(err, ErrNotConfigured) {
		t.Errorf("empty directory: %v", err)
	}
	l.write("README", "hello")
	l.write("10.conflist.bak", "{")
	if err := l.Status(); !errors.Is(err, ErrNotConfigured) {
		t.Errorf("no configuration: %v", err)
	}
	l.write("20-b.conflist", l.conflist("1.0.0", ""))
	if err := l.Status(); err != nil {
		t.Error(err)
	}
	l.write("10-a.conflist", "{")
	if err := l.Status(); !errors.Is(err, ErrBadConfig) || !strings.Contains(err.Error(), "10-a.conflist") {
		t.Errorf("a half-written first one: %v; the second must not be taken", err)
	}
	l.write("10-a.conflist", strings.Replace(l.conflist("1.0.0", ""), "testnet", "first", 1))
	if conf, err := l.config(); err != nil || conf.list.Name != "first" {
		t.Errorf("configuration %+v, %v", conf, err)
	}
	l.remove("10-a.conflist")
	if conf, err := l.config(); err != nil || conf.list.Name != "testnet" {
		t.Errorf("configuration %+v, %v", conf, err)
	}
	if err := os.RemoveAll(l.options.ConfDir); err != nil {
		t.Fatal(err)
	}
	if err := l.Status(); !errors.Is(err, ErrNotConfigured) {
		t.Errorf("no directory: %v", err)
	}
}

func TestStatusSaysWhichPluginIsMissing(t *testing.T) {
	l := newLab(t)
	l.write("10.conflist", strings.Replace(l.conflist("1.0.0", ""), `"fake"`, `"flannel"`, 1))
	if err := l.Status(); !errors.Is(err, ErrNoPlugin) || !strings.Contains(err.Error(), "flannel") {
		t.Errorf("%v", err)
	}
	l.install("flannel")
	if err := l.Status(); err != nil {
		t.Error(err)
	}
}

func TestStatusAsksPluginsInTheBackground(t *testing.T) {
	l := newLab(t)
	l.write("10.conflist", l.conflist("1.1.0", ""))
	if err := l.Status(); !errors.Is(err, ErrStatusUnknown) {
		t.Errorf("at first: %v", err)
	}
	l.current.done.Wait()
	if err := l.Status(); err != nil {
		t.Errorf("after the answer: %v", err)
	}
	l.wantCommands("STATUS")
	cancel := l.order("fail STATUS")
	l.askAgain()
	if err := l.Status(); err != nil {
		t.Errorf("the last answer counts until there is another: %v", err)
	}
	l.current.done.Wait()
	if err := l.Status(); err == nil || !strings.Contains(err.Error(), "try again later") {
		t.Errorf("not ready: %v", err)
	}
	cancel()
	l.askAgain()
	_ = l.Status()
	l.current.done.Wait()
	if err := l.Status(); err != nil {
		t.Error(err)
	}
}

// askAgain has the next Status ask the plugins.
func (l *lab) askAgain() {
	l.current.mu.Lock()
	defer l.current.mu.Unlock()
	l.current.asked = time.Time{}
}

func TestCloseEndsAPluginThatIsAsked(t *testing.T) {
	l := newLab(t)
	l.write("10.conflist", l.conflist("1.1.0", ""))
	defer l.order("hang STATUS")()
	_ = l.Status()
	start := time.Now()
	l.Network.Close()
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("took %v", took)
	}
}

func TestPluginsInFilesOfTheirOwn(t *testing.T) {
	l := newLab(t)
	l.write("10.conflist", `{"cniVersion": "1.0.0", "name": "folder"}`)
	if err := os.Mkdir(filepath.Join(l.options.ConfDir, "folder"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := l.Status(); !errors.Is(err, ErrBadConfig) {
		t.Errorf("no plugins: %v", err)
	}
	l.write("folder/50.conf", fmt.Sprintf(`{"type": "fake", "dir": %q}`, l.plugin))
	if err := l.Status(); err != nil {
		t.Fatal(err)
	}
	p := l.pod()
	l.attach(p)
	if err := os.RemoveAll(filepath.Join(l.options.ConfDir, "folder")); err != nil {
		t.Fatal(err)
	}
	l.detach(p)
	l.wantCommands("ADD", "DEL")
	l.wantReserved(0)
}

func TestReadingConfigurations(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		file, content string
		plugins       int
	}{
		{"a.conflist", `{"cniVersion": "1.0.0", "name": "n", "plugins": [{"type": "a"}, {"type": "b"}]}`, 2},
		{"a.conf", `{"cniVersion": "0.2.0", "name": "n", "type": "a"}`, 1},
		{"a.json", `{"cniVersion": "0.3.1", "name": "n", "type": "a"}`, 1},
		{"b.json", `{"cniVersion": "1.0.0", "name": "n", "plugins": [{"type": "a"}]}`, 1},
		{"c.conflist", `{"cniVersion": "1.0.0", "name": "n", "plugins": []}`, 0},
		{"d.conflist", `{"cniVersion": "1.0.0", "name": "n", "plugins": [{"type": ".."}]}`, 0},
		{"e.conflist", `{"cniVersion": "1.0.0", "plugins": [{"type": "a"}]}`, 0},
		{"f.conf", `{"name": "n"}`, 0},
		{"g.conf", ``, 0},
		{"h.conf", `null`, 0},
		{"i.conflist", `{"cniVersion": "1.0.0", "name": "n", "plugins": [null]}`, 0},
		{"j.conflist", strings.Repeat(" ", maxConfig+1), 0},
	} {
		path := filepath.Join(dir, c.file)
		if err := os.WriteFile(path, []byte(c.content), 0o600); err != nil {
			t.Fatal(err)
		}
		conf, err := read(path)
		switch {
		case c.plugins == 0 && !errors.Is(err, ErrBadConfig):
			t.Errorf("%s: %v, want ErrBadConfig", c.file, err)
		case c.plugins > 0 && (err != nil || len(conf.list.Plugins) != c.plugins):
			t.Errorf("%s: %+v, %v; want %d plugins", c.file, conf, err, c.plugins)
		}
	}
	if _, err := read(dir); !errors.Is(err, ErrBadConfig) {
		t.Errorf("a folder: %v", err)
	}
}
