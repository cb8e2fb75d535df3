// SPDX-License-Identifier: Apache-2.0

package cni

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/containernetworking/cni/pkg/invoke"
	"github.com/containernetworking/cni/pkg/version"
)

// Plugins are asked for their STATUS when the configuration changed, and again when the answer is older than this. The kubelet
// wants the status every 5 s.
const (
	statusEvery   = 10 * time.Second
	statusTimeout = 30 * time.Second
)

// current is the configuration in use and how its plugins are.
type current struct {
	// mu guards all of it; it is never held while a plugin runs.
	mu   sync.Mutex
	sig  signature
	conf *config
	err  error
	seen bool

	asked    time.Time
	asking   bool
	answered bool
	status   error
	done     sync.WaitGroup
}

// config gives the first configuration of the directory, read again if any file changed. The first one decides: if it
// cannot be read, the next is not taken, because a half-written file would have pods attached to another network.
func (n *Network) config() (*config, error) {
	files, sig, err := look(n.options.ConfDir)
	if err != nil {
		return nil, err
	}
	c := &n.current
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.seen && c.sig == sig {
		return c.conf, c.err
	}
	c.sig, c.seen, c.answered, c.status = sig, true, false, nil
	c.asked = time.Time{}
	if len(files) == 0 {
		c.conf, c.err = nil, fmt.Errorf("%w in %s", ErrNotConfigured, n.options.ConfDir)
		return nil, c.err
	}
	c.conf, c.err = read(files[0])
	if c.err != nil {
		n.log.Warn("CNI configuration not usable", "error", c.err)
	} else {
		n.log.Info("CNI configuration loaded", "file", files[0], "network", c.conf.list.Name, "version", c.conf.list.CNIVersion)
	}
	return c.conf, c.err
}

// Configured is nil if there is a configuration that can be read, and ErrNotConfigured if there is none at all.
func (n *Network) Configured() error {
	_, err := n.config()
	return err
}

// Status is nil when pods can be attached. ErrNotConfigured tells that there is no configuration at all. It calls no plugin itself: it
// gives their last answer and has them asked again in the background.
func (n *Network) Status() error {
	conf, err := n.config()
	if err != nil {
		return err
	}
	if err := n.findPlugins(conf); err != nil {
		return err
	}
	if !atLeast(conf.list.CNIVersion, "1.1.0") {
		return nil
	}
	c := &n.current
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conf != conf {
		return ErrStatusUnknown
	}
	if !c.asking && time.Since(c.asked) > statusEvery && n.life.Err() == nil {
		c.asking, c.asked = true, time.Now()
		c.done.Go(func() { n.ask(conf) })
	}
	if !c.answered {
		return fmt.Errorf("CNI network %q: %w", conf.list.Name, ErrStatusUnknown)
	}
	return c.status
}

// ask has the plugins of a configuration say how they are.
func (n *Network) ask(conf *config) {
	ctx, cancel := context.WithTimeout(n.life, statusTimeout)
	defer cancel()
	err := n.lib.GetStatusNetworkList(ctx, conf.list)
	if err != nil {
		err = fmt.Errorf("CNI network %q is not ready: %w", conf.list.Name, err)
	}
	c := &n.current
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asking = false
	if c.conf == conf {
		c.answered, c.status = true, err
	}
}

// findPlugins verifies that each plugin is installed. Installers write the configuration last, or should.
func (n *Network) findPlugins(conf *config) error {
	for _, p := range conf.list.Plugins {
		if _, err := invoke.FindInPath(p.Network.Type, n.options.BinDirs); err != nil {
			return fmt.Errorf("CNI network %q: %w: %q is not in %s", conf.list.Name, ErrNoPlugin, p.Network.Type, strings.Join(n.options.BinDirs, ", "))
		}
	}
	return nil
}

func atLeast(have, want string) bool {
	ok, err := version.GreaterThanOrEqualTo(have, want)
	return err == nil && ok
}

// Close ends the plugins that are being asked.
func (n *Network) Close() {
	n.current.mu.Lock()
	n.end()
	n.current.mu.Unlock()
	n.current.done.Wait()
}
