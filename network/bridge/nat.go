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
	// conn stays open. When a socket of netfilter is closed, the kernel waits until all that was deleted is freed (nft_rcv_nl_event), which
	// takes a grace period of RCU: 40 µs for a change become 10 ms.
	conn *nftables.Conn
}

func (n *nat) table() *nftables.Table {
	return &nftables.Table{Name: "crisp-" + n.bridge, Family: nftables.TableFamilyINet}
}

// batch has f fill a batch and sends it. It tells a kernel without nftables. mu is held.
func (n *nat) batch(f func(*nftables.Conn) error) error {
	if n.conn == nil {
		c, err := nftables.New(nftables.AsLasting())
		if err != nil {
			return fmt.Errorf("nftables: %w", err)
		}
		n.conn = c
	}
	err := f(n.conn)
	if err == nil {
		err = n.conn.Flush()
	}
	if err == nil {
		return nil
	}
	// What is left in the connection, commands or answers, would be taken for the next batch's.
	n.hangUp()
	err = fmt.Errorf("nftables table %s: %w", n.table().Name, err)
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EPROTONOSUPPORT) || errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("%w: %w", ErrNoNFTables, err)
	}
	return err
}

func (n *nat) hangUp() {
	if n.conn != nil {
		go n.conn.CloseLasting()
		n.conn = nil
	}
}

// build makes the table anew. The pods' connections are in conntrack and do not notice.
func (n *nat) build() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.buildLocked()
}

func (n *nat) buildLocked() error {
	err := n.batch(func(batch *nftables.Conn) error {
		table := n.table()
		// Adding first makes the deletion succeed in any case.
		batch.AddTable(table)
		batch.DelTable(table)
		batch.AddTable(table)
		maps := newPortMaps(table)
		for _, m := range maps.all() {
			if err := batch.AddSet(m.set, nil); err != nil {
				return err
			}
		}
		for _, r := range n.records() {
			if err := change(batch.SetAddElements, maps.elements(r)); err != nil {
				return err
			}
		}
		ruleset{batch: batch, table: table, bridge: n.bridge, nets: n.nets, maps: maps}.add()
		return nil
	})
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
	case errors.Is(err, unix.ENOENT) && !n.existsLocked(): // after a reboot
		return nil
	case errors.Is(err, unix.ENOENT): // some are gone, so the batch was refused
		return n.buildLocked()
	}
	return err
}

func (n *nat) changeLocked(r record, add bool) error {
	return n.batch(func(batch *nftables.Conn) error {
		do := batch.SetDeleteElements
		if add {
			do = batch.SetAddElements
		}
		return change(do, newPortMaps(n.table()).elements(r))
	})
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
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.existsLocked()
}

func (n *nat) existsLocked() bool {
	found := false
	err := n.batch(func(c *nftables.Conn) error {
		_, err := c.ListTableOfFamily(n.table().Name, nftables.TableFamilyINet)
		found = err == nil
		return err
	})
	return err == nil && found
}

// destroy removes the table; no error when there is none.
func (n *nat) destroy() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.batch(func(batch *nftables.Conn) error {
		batch.AddTable(n.table())
		batch.DelTable(n.table())
		return nil
	})
}

// close waits until the kernel has freed what was deleted.
func (n *nat) close() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.conn == nil {
		return nil
	}
	c := n.conn
	n.conn = nil
	return c.CloseLasting()
}
