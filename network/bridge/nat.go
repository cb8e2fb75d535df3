// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"errors"
	"fmt"
	"sync"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"
)

// nat is the table "crisp-<bridge>" in nftables. A change is one batch, which the kernel takes as a whole or not at all. Whenever the table is
// not there (the first time, after a reboot, after somebody else's "flush ruleset"), it is built from the records.
type nat struct {
	bridge string
	nets   subnets
	// records gives what the table must contain.
	records func() []record

	// mu keeps building apart from changing, so that a pod that comes or goes meanwhile is neither lost nor left.
	mu sync.Mutex
}

func (n *nat) table() *nftables.Table {
	return &nftables.Table{Name: "crisp-" + n.bridge, Family: nftables.TableFamilyINet}
}

// build makes the table anew. The pods' connections are in conntrack and do not notice.
func (n *nat) build() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.buildLocked()
}

func (n *nat) buildLocked() error {
	batch, err := nftables.New()
	if err != nil {
		return fmt.Errorf("nftables: %w", err)
	}
	table := n.table()
	// Adding first makes the deletion succeed in any case.
	batch.AddTable(table)
	batch.DelTable(table)
	batch.AddTable(table)
	maps := newPortMaps(table)
	for _, m := range maps.all() {
		if err := batch.AddSet(m.set, nil); err != nil {
			return fmt.Errorf("nftables map %s: %w", m.set.Name, err)
		}
	}
	for _, r := range n.records() {
		if err := change(batch.SetAddElements, maps.elements(r)); err != nil {
			return err
		}
	}
	ruleset{batch: batch, table: table, bridge: n.bridge, nets: n.nets, maps: maps}.add()
	err = n.flush(batch)
	if errors.Is(err, unix.ENOENT) { // of an expression: its module is missing
		return fmt.Errorf("%w: %w", ErrNoNFTables, err)
	}
	return err
}

// add adds the pod's host ports.
func (n *nat) add(r record) error {
	if len(r.Ports) == 0 {
		return nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	err := n.changeLocked(r, true)
	// No table, or an element of a pod that crashed away with another destination: the records know what is right.
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EBUSY) || errors.Is(err, unix.EEXIST) {
		return n.buildLocked()
	}
	return err
}

// remove removes the pod's host ports. The caller's records do not give the pod any more.
func (n *nat) remove(r record) error {
	if len(r.Ports) == 0 {
		return nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	err := n.changeLocked(r, false)
	switch {
	case errors.Is(err, ErrNoNFTables):
		return nil
	case errors.Is(err, unix.ENOENT) && !n.exists(): // after a reboot
		return nil
	case errors.Is(err, unix.ENOENT): // some are gone, so the batch was refused
		return n.buildLocked()
	}
	return err
}

func (n *nat) changeLocked(r record, add bool) error {
	batch, err := nftables.New()
	if err != nil {
		return fmt.Errorf("nftables: %w", err)
	}
	do := batch.SetDeleteElements
	if add {
		do = batch.SetAddElements
	}
	if err := change(do, newPortMaps(n.table()).elements(r)); err != nil {
		return err
	}
	return n.flush(batch)
}

// change hands elements to a batch, map by map.
func change(do func(*nftables.Set, []nftables.SetElement) error, elements []mapElement) error {
	byMap := map[*nftables.Set][]nftables.SetElement{}
	for _, e := range elements {
		byMap[e.in.set] = append(byMap[e.in.set], e.el)
	}
	for set, els := range byMap {
		if err := do(set, els); err != nil {
			return fmt.Errorf("nftables map %s: %w", set.Name, err)
		}
	}
	return nil
}

// exists says whether the table is there.
func (n *nat) exists() bool {
	c, err := nftables.New()
	if err != nil {
		return false
	}
	_, err = c.ListTableOfFamily(n.table().Name, nftables.TableFamilyINet)
	return err == nil
}

// destroy removes the table; no error when there is none.
func (n *nat) destroy() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	batch, err := nftables.New()
	if err != nil {
		return fmt.Errorf("nftables: %w", err)
	}
	table := n.table()
	batch.AddTable(table)
	batch.DelTable(table)
	return n.flush(batch)
}

// flush sends a batch and tells apart a kernel without nftables (nf_tables, nft_nat, nft_masq, nft_fib_inet, …).
func (n *nat) flush(batch *nftables.Conn) error {
	err := batch.Flush()
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EPROTONOSUPPORT) || errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("nftables table %s: %w: %w", n.table().Name, ErrNoNFTables, err)
	}
	if err != nil {
		return fmt.Errorf("nftables table %s: %w", n.table().Name, err)
	}
	return nil
}
