// SPDX-License-Identifier: Apache-2.0

package cni

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/containernetworking/cni/libcni"
	"github.com/containernetworking/cni/pkg/types"

	"crisp/network/attachment"
	"crisp/network/netns"
)

// Options are what Open needs.
type Options struct {
	// ConfDir is where configurations are looked for, BinDirs where plugins are.
	ConfDir string
	BinDirs []string
	// CacheDir holds the records (attachments) and libcni's results (results).
	CacheDir string
	// Shared: another runtime uses the same configuration. GC is left out then, because it would have the plugins
	// free what the other one holds.
	Shared bool
	Log    *slog.Logger
}

// callTimeout bounds the calls of one ADD, DEL, CHECK or GC when the caller has no earlier deadline. The kubelet gives
// RunPodSandbox four minutes.
const callTimeout = 3 * time.Minute

// Network attaches pods by plugins. Its methods are safe for concurrent use; for one pod the caller calls one at a time.
type Network struct {
	options Options
	log     *slog.Logger
	files   records
	lib     *libcni.CNIConfig
	current current
	// life ends with Close.
	life context.Context
	end  context.CancelFunc

	// inherited are the pods that an earlier daemon attached; GC looks at these. mu guards it.
	mu        sync.Mutex
	inherited map[string]bool

	// gc is held for writing while plugins collect garbage, and for reading while one attaches: what is
	// reserved meanwhile is not on the collector's list.
	gc sync.RWMutex

	// fail is where tests break an attachment off.
	fail func(point string) error
}

// Open reads which pods are attached. It calls no plugin.
func Open(o Options) (*Network, error) {
	n := &Network{
		options: o, log: o.Log, files: records{dir: filepath.Join(o.CacheDir, "attachments")},
		inherited: map[string]bool{}, fail: func(string) error { return nil },
	}
	n.life, n.end = context.WithCancel(context.Background())
	if err := os.MkdirAll(n.files.dir, 0o700); err != nil {
		return nil, err
	}
	ids, err := n.files.ids()
	if err != nil {
		return nil, fmt.Errorf("read the records of CNI attachments: %w", err)
	}
	for _, id := range ids {
		n.inherited[id] = true
	}
	n.lib = libcni.NewCNIConfigWithCacheDir(o.BinDirs, o.CacheDir, &executor{log: o.Log})
	return n, nil
}

// The points at which tests break an attachment off.
const (
	afterRecord = "record"
	afterAdd    = "add"
	afterDel    = "del"
)

// errCrash is what tests let a fail point answer when nothing after it may happen, as if the daemon had been killed.
var errCrash = errors.New("crash")

// Has says whether the pod has a record here.
func (n *Network) Has(id string) bool {
	_, err := os.Lstat(n.files.path(id))
	return err == nil
}

// load gives the pod's record; false if it has none. One that cannot be read (a disk error, a later version) is put aside for
// people to look at, so that the pod can be removed; what it held is freed by the plugins' GC.
func (n *Network) load(id string) (record, bool, error) {
	rec, ok, err := n.files.load(id)
	if errors.Is(err, ErrBadRecord) {
		n.log.Error("record of a CNI attachment put aside: its addresses stay reserved until the plugins collect garbage", "pod", id, "error", err)
		return record{}, false, n.files.putAside(id)
	}
	return rec, ok, err
}

// Attach records the attachment and calls ADD. For a pod that is attached it gives the cached result; one whose ADD was
// broken off gets a DEL first, as the specification wants. After a failed ADD there is a DEL, and the record stays if that fails too.
func (n *Network) Attach(ctx context.Context, p attachment.Pod) (attachment.Result, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	n.gc.RLock()
	defer n.gc.RUnlock()
	rec, ok, err := n.load(p.ID)
	if err != nil {
		return attachment.Result{}, err
	}
	if ok {
		if res, err := n.cached(rec, p.NetNS); err == nil {
			n.adopt(p.ID)
			return res, nil
		}
		if err := n.del(ctx, rec); err != nil {
			return attachment.Result{}, fmt.Errorf("undo an earlier attachment: %w", err)
		}
	}
	rec, err = n.newRecord(p)
	if err != nil {
		return attachment.Result{}, err
	}
	if err := n.files.save(rec); err != nil {
		return attachment.Result{}, fmt.Errorf("record the attachment of pod %s: %w", p.ID, err)
	}
	n.adopt(p.ID)
	res, err := n.add(ctx, rec)
	if err != nil && !errors.Is(err, errCrash) {
		// The caller's deadline may be what ended ADD.
		clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		err = errors.Join(err, n.del(clean, rec))
	}
	return res, err
}

// adopt takes the pod from those that only an earlier daemon knew.
func (n *Network) adopt(id string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.inherited, id)
}

func bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, callTimeout, fmt.Errorf("no answer for %v: %w", callTimeout, context.DeadlineExceeded))
}

// newRecord takes the current configuration for the pod.
func (n *Network) newRecord(p attachment.Pod) (record, error) {
	ns, err := netns.Open(p.NetNS)
	if err != nil {
		return record{}, err
	}
	ns.Close()
	conf, err := n.config()
	if err != nil {
		return record{}, err
	}
	rec := record{ID: p.ID, NetNS: p.NetNS, Capabilities: capabilities(p)}
	if p.Name != "" {
		rec.Pod = p.Namespace + "/" + p.Name
	}
	if rec.Args, err = arguments(p); err != nil {
		return record{}, err
	}
	if rec.Config, err = inline(conf.list); err != nil {
		return record{}, err
	}
	for _, c := range []string{"portMappings", "bandwidth"} {
		if _, asked := rec.Capabilities[c]; asked && !conf.declares(c) {
			n.log.Warn("no CNI plugin has the capability that the pod asks for", "capability", c, "network", conf.list.Name, "pod", p.ID)
		}
	}
	return rec, nil
}

func (n *Network) add(ctx context.Context, rec record) (attachment.Result, error) {
	if err := n.fail(afterRecord); err != nil {
		return attachment.Result{}, err
	}
	list, err := parseList(rec.Config)
	if err != nil {
		return attachment.Result{}, err
	}
	raw, err := n.lib.AddNetworkList(ctx, list, rec.runtimeConf())
	if err != nil {
		return attachment.Result{}, fmt.Errorf("attach pod %s to CNI network %q: %w", rec.ID, list.Name, err)
	}
	if err := n.fail(afterAdd); err != nil {
		return attachment.Result{}, err
	}
	res, err := convert(raw)
	if err != nil {
		return attachment.Result{}, fmt.Errorf("attach pod %s to CNI network %q: %w", rec.ID, list.Name, err)
	}
	return res, nil
}

// cached gives the result of an ADD that succeeded in this namespace.
func (n *Network) cached(rec record, ns string) (attachment.Result, error) {
	if rec.NetNS != ns {
		return attachment.Result{}, attachment.ErrNotAttached
	}
	list, err := parseList(rec.Config)
	if err != nil {
		return attachment.Result{}, err
	}
	rt := rec.runtimeConf()
	if rt.NetNS == "" {
		return attachment.Result{}, attachment.ErrNotAttached
	}
	raw, err := n.lib.GetNetworkListCachedResult(list, rt)
	if err != nil {
		return attachment.Result{}, err
	}
	if raw == nil {
		return attachment.Result{}, attachment.ErrNotAttached
	}
	return convert(raw)
}

// Detach calls DEL with what is recorded, whatever the configuration is now, and whether the namespace is there or not.
// No error when the pod has no record.
func (n *Network) Detach(ctx context.Context, id string) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	rec, ok, err := n.load(id)
	if err != nil || !ok {
		return err
	}
	return n.del(ctx, rec)
}

func (n *Network) del(ctx context.Context, rec record) error {
	list, err := parseList(rec.Config)
	if err != nil {
		return err
	}
	if err := n.lib.DelNetworkList(ctx, list, rec.runtimeConf()); err != nil {
		return fmt.Errorf("detach pod %s from CNI network %q: %w", rec.ID, list.Name, err)
	}
	if err := n.fail(afterDel); err != nil {
		return err
	}
	if err := n.files.remove(rec.ID); err != nil {
		return fmt.Errorf("remove the record of pod %s: %w", rec.ID, err)
	}
	n.adopt(rec.ID)
	return nil
}

// Check calls CHECK, for configurations that have it (specification 0.4.0).
func (n *Network) Check(ctx context.Context, p attachment.Pod) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	rec, ok, err := n.load(p.ID)
	if err != nil {
		return err
	}
	if !ok {
		return fmt.Errorf("pod %s: %w", p.ID, attachment.ErrNotAttached)
	}
	list, err := parseList(rec.Config)
	if err != nil {
		return err
	}
	if !atLeast(list.CNIVersion, "0.4.0") {
		return nil
	}
	if err := n.lib.CheckNetworkList(ctx, list, rec.runtimeConf()); err != nil {
		return fmt.Errorf("check pod %s in CNI network %q: %w", p.ID, list.Name, err)
	}
	return nil
}

// GC calls DEL for the pods of an earlier daemon that are not live, and then GC of the plugins (specification 1.1), which free what belongs
// to no pod that has a record.
func (n *Network) GC(ctx context.Context, live map[string]bool) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	var errs []error
	for _, id := range n.dead(live) {
		n.log.Info("detaching a pod that is gone", "pod", id)
		errs = append(errs, n.Detach(ctx, id))
	}
	conf, err := n.config()
	if err != nil || n.options.Shared || !atLeast(conf.list.CNIVersion, "1.1.0") {
		return errors.Join(errs...)
	}
	return errors.Join(append(errs, n.collect(ctx, conf))...)
}

func (n *Network) dead(live map[string]bool) []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	var dead []string
	for id := range n.inherited {
		if !live[id] {
			dead = append(dead, id)
		}
	}
	return dead
}

// collect calls GC of the plugins with every attachment that has a record.
func (n *Network) collect(ctx context.Context, conf *config) error {
	n.gc.Lock()
	defer n.gc.Unlock()
	ids, err := n.files.ids()
	if err != nil {
		return err
	}
	args := &libcni.GCArgs{ValidAttachments: []types.GCAttachment{}}
	for _, id := range ids {
		args.ValidAttachments = append(args.ValidAttachments, types.GCAttachment{ContainerID: id, IfName: attachment.IfName})
	}
	if err := n.lib.GCNetworkList(ctx, conf.list, args); err != nil {
		return fmt.Errorf("collect garbage of CNI network %q: %w", conf.list.Name, err)
	}
	return nil
}
