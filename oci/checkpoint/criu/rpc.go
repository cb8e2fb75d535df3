// SPDX-License-Identifier: Apache-2.0

package criu

import (
	"errors"
	"fmt"
	"strings"
)

// Type is what a request asks for (criu_req_type).
type Type int

// The types that are used here.
const (
	Dump         Type = 1
	Restore      Type = 2
	PreDump      Type = 4
	notify       Type = 6
	FeatureCheck Type = 9
	Version      Type = 10
)

// Names of notifications.
const (
	PostDump        = "post-dump"
	SetupNamespaces = "setup-namespaces"
	PostRestore     = "post-restore"
	OrphanPtsMaster = "orphan-pts-master" // brings the master of the terminal
	StatusReady     = "status-ready"      // the server of lazy pages can be asked
	NetworkLock     = "network-lock"
	NetworkUnlock   = "network-unlock"
)

// CgroupMode says what criu does with cgroups (criu_cg_mode).
type CgroupMode int

// ParseCgroupMode reads the argument of --manage-cgroups-mode.
func ParseCgroupMode(s string) (CgroupMode, error) {
	switch s {
	case "":
		return 6, nil // criu's default
	case "ignore":
		return 0, nil
	case "soft":
		return 3, nil
	case "full":
		return 4, nil
	case "strict":
		return 5, nil
	}
	return 0, errors.New("invalid manage-cgroups-mode value")
}

// Pair is an entry of a list of two strings: an external mount and what stands for it, a controller and its cgroup, a namespace and its file.
type Pair struct{ Key, Value string }

// InheritFD names a descriptor of criu's that stands for something of the checkpoint.
type InheritFD struct {
	Key string
	FD  int
}

// Options are those of criu_opts. Descriptors are those of the caller, which criu opens by /proc/PID/fd, but for InheritFDs, which are its own.
type Options struct {
	ImagesFD int
	WorkFD   int // 0: the images' directory
	Pid      int // of a dump
	Root     string

	LogFile  string
	LogLevel int

	LeaveRunning, ExtUnixSk, TCPEstablished, TCPSkipInFlight, EvasiveDevices, ShellJob, FileLocks, LinkRemap bool
	TrackMem, AutoDedup, LazyPages, OrphanPtsMaster, RstSibling                                              bool

	PageServerAddress string
	PageServerPort    int
	ParentImage       string // relative to the images

	CgroupMode   CgroupMode
	CgroupRoots  []Pair
	FreezeCgroup string

	ExternalMounts []Pair
	External       []string
	InheritFDs     []InheritFD
	JoinNamespaces []Pair
	EmptyNamespace uint32 // CLONE_NEW*: made, and nothing restored in it

	ConfigFile      string
	LSMProfile      string
	LSMMountContext string
	StatusFD        int // 0: none
}

// encode has the numbers of images/rpc.proto.
func (o *Options) encode() []byte {
	var m message
	m.number(1, int64(o.ImagesFD))
	if o.Pid != 0 {
		m.number(2, int64(o.Pid))
	}
	for field, v := range map[int]bool{
		3: o.LeaveRunning, 4: o.ExtUnixSk, 5: o.TCPEstablished, 6: o.EvasiveDevices, 7: o.ShellJob, 8: o.FileLocks, 15: o.TrackMem,
		16: o.AutoDedup, 18: o.LinkRemap, 26: o.RstSibling, 46: o.TCPSkipInFlight, 48: o.LazyPages, 50: o.OrphanPtsMaster,
	} {
		m.flag(field, v)
	}
	m.number(9, int64(o.LogLevel))
	m.text(10, o.LogFile)
	if o.PageServerAddress != "" {
		var ps message
		ps.text(1, o.PageServerAddress)
		ps.number(2, int64(o.PageServerPort))
		m.bytes(11, ps)
	}
	m.flag(12, true) // notifications
	m.text(13, o.Root)
	m.text(14, o.ParentImage)
	if o.WorkFD != 0 {
		m.number(17, int64(o.WorkFD))
	}
	m.flag(24, true) // as before there were modes
	m.number(34, int64(o.CgroupMode))
	m.pairs(23, o.ExternalMounts)
	m.pairs(25, o.CgroupRoots)
	m.pairs(39, o.JoinNamespaces)
	for _, i := range o.InheritFDs {
		var sub message
		sub.bytes(1, []byte(i.Key))
		sub.number(2, int64(i.FD))
		m.bytes(27, sub)
	}
	for _, s := range o.External {
		m.text(37, s)
	}
	if o.EmptyNamespace != 0 {
		m.number(38, int64(o.EmptyNamespace))
	}
	m.text(44, o.FreezeCgroup)
	if o.StatusFD != 0 {
		m.number(49, int64(o.StatusFD))
	}
	m.text(51, o.ConfigFile)
	m.text(53, o.LSMProfile)
	m.text(63, o.LSMMountContext)
	return m
}

// pairs appends messages of two strings. An empty key is a string too.
func (m *message) pairs(field int, all []Pair) {
	for _, p := range all {
		var sub message
		sub.bytes(1, []byte(p.Key))
		sub.bytes(2, []byte(p.Value))
		m.bytes(field, sub)
	}
}

// Features are what FeatureCheck asks for and tells.
type Features struct{ MemTrack, LazyPages bool }

// Request is one request.
type Request struct {
	Type     Type
	Options  *Options
	Features Features // of FeatureCheck

	success bool // of the answer to a notification
}

func (r *Request) encode() []byte {
	var m message
	m.number(1, int64(r.Type))
	if r.Options != nil {
		m.bytes(2, r.Options.encode())
	}
	m.flag(3, r.success)
	if r.Features != (Features{}) {
		var f message
		f.flag(1, r.Features.MemTrack)
		f.flag(2, r.Features.LazyPages)
		m.bytes(5, f)
	}
	return m
}

// Response is one response.
type Response struct {
	Type     Type
	Success  bool
	Script   string // of a notification
	Pid      int    // of a notification, or of what was restored
	Errno    int
	Message  string // what is wrong, in criu's words
	Features Features
	Version  int // 31700 for 3.17; 0: not asked for
}

func decode(b []byte) (Response, error) {
	var r Response
	err := fields(b, func(field int, n uint64, part []byte) error {
		switch field {
		case 1:
			r.Type = Type(n)
		case 2:
			r.Success = n != 0
		case 4: // restore
			return fields(part, func(f int, n uint64, _ []byte) error {
				if f == 1 {
					r.Pid = int(int32(n))
				}
				return nil
			})
		case 5: // notify
			return fields(part, func(f int, n uint64, text []byte) error {
				switch f {
				case 1:
					r.Script = string(text)
				case 2:
					r.Pid = int(int32(n))
				}
				return nil
			})
		case 7:
			r.Errno = int(int32(n))
		case 8:
			return r.Features.decode(part)
		case 9:
			r.Message = strings.ToValidUTF8(string(part), "?")
		case 10:
			return r.decodeVersion(part)
		}
		return nil
	})
	if err != nil {
		return Response{}, fmt.Errorf("criu: %w", err)
	}
	return r, nil
}

func (f *Features) decode(b []byte) error {
	return fields(b, func(field int, n uint64, _ []byte) error {
		switch field {
		case 1:
			f.MemTrack = n != 0
		case 2:
			f.LazyPages = n != 0
		}
		return nil
	})
}

// decodeVersion makes one number of "3.17.1": 31701. A commit after a release counts as the next minor version.
func (r *Response) decodeVersion(b []byte) error {
	var major, minor, sub int
	var git bool
	err := fields(b, func(field int, n uint64, text []byte) error {
		switch field {
		case 1:
			major = int(n % 1000)
		case 2:
			minor = int(n % 100)
		case 3:
			git = len(text) > 0
		case 4:
			sub = int(n % 100)
		}
		return nil
	})
	r.Version = major*10000 + minor*100 + sub
	if git {
		r.Version += 100 - sub
	}
	return err
}
