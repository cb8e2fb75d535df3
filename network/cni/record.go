// SPDX-License-Identifier: Apache-2.0

package cni

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/containernetworking/cni/libcni"

	"crisp/network/attachment"
	"crisp/network/netns"
)

// recordVersion is the version of the records that this program writes. It reads those up to it.
const recordVersion = 1

// maxRecord bounds a record: a configuration and the pod's annotations (256 KiB at most).
const maxRecord = 4 << 20

// record is all that DEL needs, whatever happened since: the configuration that the pod was attached with, and the arguments.
//
// It is on disk, synced, before the first plugin is called: the addresses that plugins reserve are durable (host-local keeps them in
// /var/lib/cni), so after a power cut somebody must know what to give back. libcni's own cache is written when ADD has succeeded, and
// holds the result.
type record struct {
	Version int    `json:"version"`
	ID      string `json:"id"`
	// Pod is "namespace/name", for people who look.
	Pod   string `json:"pod,omitempty"`
	NetNS string `json:"netns"`
	// Config is the conflist with all plugins inline.
	Config       json.RawMessage `json:"config"`
	Args         [][2]string     `json:"args"`
	Capabilities map[string]any  `json:"capabilities,omitempty"`
}

// readRecord reads one record. It may have been written by another version.
func readRecord(r io.Reader) (record, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxRecord+1))
	if err != nil {
		return record{}, err
	}
	if len(data) > maxRecord {
		return record{}, fmt.Errorf("%w: larger than %d bytes", ErrBadRecord, maxRecord)
	}
	var rec record
	if err := json.Unmarshal(data, &rec); err != nil {
		return record{}, fmt.Errorf("%w: %w", ErrBadRecord, err)
	}
	if rec.Version < 1 || rec.Version > recordVersion {
		return record{}, fmt.Errorf("%w: version %d, known are 1 to %d", ErrBadRecord, rec.Version, recordVersion)
	}
	if err := netns.CheckID(rec.ID); err != nil {
		return record{}, fmt.Errorf("%w: %w", ErrBadRecord, err)
	}
	if _, err := parseList(rec.Config); err != nil {
		return record{}, fmt.Errorf("%w: %w", ErrBadRecord, err)
	}
	return rec, nil
}

// runtimeConf is the record in libcni's form. A namespace that is gone is left out, as the specification wants for DEL.
func (r record) runtimeConf() *libcni.RuntimeConf {
	rt := &libcni.RuntimeConf{
		ContainerID: r.ID, NetNS: r.NetNS, IfName: attachment.IfName, Args: r.Args, CapabilityArgs: r.Capabilities,
	}
	if ns, err := netns.Open(r.NetNS); err != nil {
		rt.NetNS = ""
	} else {
		ns.Close()
	}
	return rt
}

// records is the directory of the records, one file each: <pod ID>.json.
type records struct {
	dir string
}

func (s records) path(id string) string { return filepath.Join(s.dir, id+".json") }

// save makes the record durable: aside, synced, renamed, and the directory synced.
func (s records) save(r record) error {
	r.Version = recordVersion
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	aside := filepath.Join(s.dir, "."+r.ID+".tmp")
	if err := writeSynced(aside, data); err != nil {
		os.Remove(aside)
		return err
	}
	if err := os.Rename(aside, s.path(r.ID)); err != nil {
		os.Remove(aside)
		return err
	}
	return syncDir(s.dir)
}

func writeSynced(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// load gives the pod's record; false if it has none.
func (s records) load(id string) (record, bool, error) {
	f, err := os.Open(s.path(id))
	if errors.Is(err, fs.ErrNotExist) {
		return record{}, false, nil
	}
	if err != nil {
		return record{}, false, err
	}
	defer f.Close()
	r, err := readRecord(f)
	if err == nil && r.ID != id {
		err = fmt.Errorf("%w: it is of pod %s", ErrBadRecord, r.ID)
	}
	if err != nil {
		return record{}, false, fmt.Errorf("record %s: %w", s.path(id), err)
	}
	return r, true, nil
}

// remove is not synced: should a power cut bring the record back, DEL is called once more, which plugins must allow.
func (s records) remove(id string) error {
	err := os.Remove(s.path(id))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func (s records) putAside(id string) error {
	return os.Rename(s.path(id), filepath.Join(s.dir, id+".bad"))
}

// ids lists the pods that have a record, and removes what a killed writer left.
func (s records) ids() ([]string, error) {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, e := range entries {
		id, ok := strings.CutSuffix(e.Name(), ".json")
		switch {
		case ok && netns.CheckID(id) == nil:
			ids = append(ids, id)
		case strings.HasSuffix(e.Name(), ".tmp"):
			if err := os.Remove(filepath.Join(s.dir, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return nil, err
			}
		}
	}
	return ids, nil
}
