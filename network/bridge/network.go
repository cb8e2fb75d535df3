// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"

	"github.com/vishvananda/netlink"

	"crisp/network/attachment"
	"crisp/network/netns"
)

// Options are what Open needs.
type Options struct {
	Config Config
	// Dir holds the records, in a folder with the bridge's name.
	Dir string
	Log *slog.Logger
}

// Network is the embedded network. Its methods are safe for concurrent use; for one pod the caller calls one at a time.
type Network struct {
	cfg    Config
	log    *slog.Logger
	files  records
	host   *netlink.Handle
	maker  *maker
	reaper *reaper
	nat    *nat
	flows  flows
	setup  setup
	// background has the repairs of the table.
	background sync.WaitGroup

	// mu guards what is held.
	mu    sync.Mutex
	pods  map[string]*pod
	pool  *pool
	ports portTable

	// fail is where tests break an attachment off.
	fail func(point string) error
}

// pod is a record and where it stands.
type pod struct {
	record
	// leaving: Detach has begun; the table must not have its ports any more.
	leaving bool
	// inherited: an earlier daemon attached it, and this one was not asked about it yet.
	inherited bool
}

// Open reads the records. It makes nothing in the kernel: the first pod does, or Ready.
func Open(o Options) (*Network, error) {
	cfg, err := o.Config.withDefaults()
	if err != nil {
		return nil, err
	}
	n := &Network{
		cfg: cfg, log: o.Log.With("bridge", cfg.Name),
		files: records{dir: filepath.Join(o.Dir, cfg.Name)},
		pods:  map[string]*pod{}, ports: portTable{}, fail: func(string) error { return nil },
	}
	n.setup.nets = subnets{v4: cfg.IPv4}
	if !cfg.IPv4Only && hasIPv6() {
		n.setup.nets.v6 = cfg.IPv6
	} else if !cfg.IPv4Only {
		n.log.Warn("the kernel has no IPv6 or it is disabled: pods get IPv4 only")
	}
	n.pool = newPool(n.setup.nets.lastPod())
	n.nat = &nat{bridge: cfg.Name, nets: n.setup.nets, records: n.standing}
	if err := n.load(); err != nil {
		return nil, fmt.Errorf("read the records of bridge %s: %w", cfg.Name, err)
	}
	if err := n.openHandles(); err != nil {
		return nil, err
	}
	return n, nil
}

func (n *Network) openHandles() error {
	host, err := openHandle()
	if err != nil {
		return err
	}
	background, err := openHandle()
	if err != nil {
		host.Close()
		return err
	}
	if n.maker, err = openMaker(); err != nil {
		host.Close()
		background.Close()
		return err
	}
	n.host, n.reaper = host, newReaper(background, n.log)
	return nil
}

func (n *Network) load() error {
	all, err := n.files.load(func(name string, err error) {
		n.log.Warn("record of a pod's addresses dropped", "file", name, "error", err)
	})
	if err != nil {
		return err
	}
	for _, r := range all {
		n.pods[r.ID] = &pod{record: r, inherited: true}
		if number, ok := n.setup.nets.number(r.IPv4); ok {
			n.pool.hold(number)
		}
		if err := n.ports.claim(r.ID, r.Ports); err != nil {
			n.log.Warn("two pods recorded with one host port", "pod", r.ID, "error", err)
		}
	}
	return nil
}

// standing gives the records that the table must have.
func (n *Network) standing() []record {
	n.mu.Lock()
	defer n.mu.Unlock()
	var all []record
	for _, p := range n.pods {
		if !p.leaving {
			all = append(all, p.record)
		}
	}
	return all
}

// Ready makes the bridge if it was not made yet, and says whether pods can be attached.
func (n *Network) Ready() error {
	_, err := n.prepare()
	return err
}

// Has says whether the pod has a record here.
func (n *Network) Has(id string) bool {
	_, _, ok := n.held(id)
	return ok
}

// Check verifies that the pod's interface, addresses and host ports are there.
func (n *Network) Check(_ context.Context, p attachment.Pod) error {
	rec, leaving, ok := n.held(p.ID)
	if !ok || leaving {
		return fmt.Errorf("pod %s: %w", p.ID, attachment.ErrNotAttached)
	}
	if len(rec.Ports) > 0 && !n.nat.exists() {
		return fmt.Errorf("pod %s: %w: nftables table %s is gone", p.ID, attachment.ErrNotAttached, n.nat.table().Name)
	}
	ns, err := netns.Open(p.NetNS)
	if err != nil {
		return err
	}
	defer ns.Close()
	return n.inspect(rec, ns)
}

// GC detaches the pods of an earlier daemon that are not live. Those that were attached since are left alone: the
// list may be older than they are, and whoever attached them detaches them.
func (n *Network) GC(ctx context.Context, live map[string]bool) error {
	n.mu.Lock()
	var dead []string
	for id, p := range n.pods {
		if p.inherited && !live[id] {
			dead = append(dead, id)
		}
	}
	n.mu.Unlock()
	var errs []error
	for _, id := range dead {
		n.log.Info("releasing what a pod that is gone held", "pod", id)
		errs = append(errs, n.Detach(ctx, id))
	}
	return errors.Join(errs...)
}

// Close deletes the interfaces of detached pods, with the context as a bound. Without pods the bridge and the
// table go as well; with pods everything stays, and the next daemon finds it.
func (n *Network) Close(ctx context.Context) error {
	n.background.Wait()
	err := n.reaper.flush(ctx)
	if err == nil && len(n.standing()) == 0 {
		err = n.tearDown()
	}
	n.closeHandles()
	return errors.Join(err, n.nat.close())
}

func (n *Network) closeHandles() {
	n.reaper.stop()
	n.reaper.handle.Close()
	n.host.Close()
	n.maker.close()
	n.flows.close()
}
