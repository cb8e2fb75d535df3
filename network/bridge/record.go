// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"crisp/network/attachment"
	"crisp/network/netns"
)

// recordVersion is the version of the records that this program writes. It reads those up to it.
const recordVersion = 1

// maxRecord bounds a record's size. One with 1,000 host ports has some 100 KiB.
const maxRecord = 1 << 20

// record says what a pod holds: two addresses and host ports. It is on disk before any of it is made in the kernel, and goes after
// the last of it that matters is gone.
type record struct {
	Version int    `json:"version"`
	ID      string `json:"id"`
	// Pod is "namespace/name", for people who look.
	Pod   string       `json:"pod,omitempty"`
	IPv4  netip.Addr   `json:"ipv4"`
	IPv6  netip.Addr   `json:"ipv6,omitzero"`
	Ports []portRecord `json:"ports,omitempty"`
}

// portRecord is a host port in a record.
type portRecord struct {
	Protocol      attachment.Protocol `json:"protocol"`
	HostIP        netip.Addr          `json:"host_ip,omitzero"`
	HostPort      uint16              `json:"host_port"`
	ContainerPort uint16              `json:"container_port"`
}

// readRecord reads one record. It may have been written by another version, or torn by a power cut.
func readRecord(r io.Reader) (record, error) {
	var rec record
	data, err := io.ReadAll(io.LimitReader(r, maxRecord+1))
	if err != nil {
		return record{}, err
	}
	if len(data) > maxRecord {
		return record{}, fmt.Errorf("%w: larger than %d bytes", ErrBadRecord, maxRecord)
	}
	if err := json.Unmarshal(data, &rec); err != nil {
		return record{}, fmt.Errorf("%w: %w", ErrBadRecord, err)
	}
	return rec, rec.check()
}

func (r record) check() error {
	if r.Version < 1 || r.Version > recordVersion {
		return fmt.Errorf("%w: version %d, known are 1 to %d", ErrBadRecord, r.Version, recordVersion)
	}
	if err := netns.CheckID(r.ID); err != nil {
		return fmt.Errorf("%w: %w", ErrBadRecord, err)
	}
	if !r.IPv4.Is4() || r.IPv6.IsValid() && (!r.IPv6.Is6() || r.IPv6.Is4In6()) {
		return fmt.Errorf("%w: addresses %s and %s", ErrBadRecord, r.IPv4, r.IPv6)
	}
	if r.IPv6.Zone() != "" {
		return fmt.Errorf("%w: address %s", ErrBadRecord, r.IPv6)
	}
	for _, p := range r.Ports {
		if err := p.check(); err != nil {
			return fmt.Errorf("%w: %w", ErrBadRecord, err)
		}
	}
	return nil
}

// records is the directory of the records, one file each: <pod ID>.json. A record is written once, before anything is made for the
// pod, and never changed.
//
// It is written aside and renamed, but not synced. The page cache outlives the daemon, and after a power cut, which can lose or tear any
// record, no pod has a network any more: the address that it held is free. So what cannot be read is dropped, and a pod's
// start is a millisecond shorter.
type records struct {
	dir string
}

// asideSuffix is of records that are being written. One that is found belongs to a daemon that was killed, and had made nothing yet.
const asideSuffix = ".tmp"

func (s records) path(id string) string { return filepath.Join(s.dir, id+".json") }

func (s records) save(r record) error {
	r.Version = recordVersion
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	aside := filepath.Join(s.dir, r.ID+asideSuffix)
	err = os.WriteFile(aside, data, 0o600)
	if err == nil {
		err = os.Rename(aside, s.path(r.ID))
	}
	if err != nil {
		os.Remove(aside)
	}
	return err
}

func (s records) remove(id string) error {
	err := os.Remove(s.path(id))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// load reads all. Those that cannot be read are removed and reported by bad: see the type's comment for why that is safe.
func (s records) load(bad func(name string, err error)) ([]record, error) {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, err
	}
	var all []record
	for _, e := range entries {
		r, err := s.open(e.Name())
		if err != nil {
			if !strings.HasSuffix(e.Name(), asideSuffix) {
				bad(e.Name(), err)
			}
			if err := os.Remove(filepath.Join(s.dir, e.Name())); err != nil {
				return nil, err
			}
			continue
		}
		all = append(all, r)
	}
	return all, nil
}

func (s records) open(name string) (record, error) {
	f, err := os.Open(filepath.Join(s.dir, name))
	if err != nil {
		return record{}, err
	}
	defer f.Close()
	r, err := readRecord(f)
	if err != nil {
		return record{}, err
	}
	if name != r.ID+".json" {
		return record{}, fmt.Errorf("%w: it is of pod %s", ErrBadRecord, r.ID)
	}
	return r, nil
}
