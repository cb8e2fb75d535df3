// SPDX-License-Identifier: Apache-2.0

package systemd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"strings"
	"sync/atomic"
	"time"

	"crisp/conmon"
	"crisp/oci/cgroup"
	"crisp/oci/cgroup/systemd/dbus"
)

// Config configures a Driver; the zero value is for root.
type Config struct {
	// User: ask the user's own systemd, which may do what it has been delegated: v2 only.
	User bool
	// Socket is where systemd listens; "": /run/systemd/private, or the same in $XDG_RUNTIME_DIR.
	Socket string
	// Booted is the directory that says that systemd runs; "": /run/systemd/system (sd_booted(3)).
	Booted string
	// Self tells in which cgroup this process is; "": /proc/self/cgroup.
	Self string
	// Timeout bounds each call with its job; 0: 30 s.
	Timeout time.Duration
	// Hold starts a holder; nil: conmon.Hold.
	Hold func() (pid int, end func() error, err error)
}

// A Driver asks systemd. It is safe for concurrent use, and holds no connection: each call makes its own, over systemd's own socket, which needs no
// bus daemon. At most parallel at a time: systemd has one thread, and tells every connection of everything.
type Driver struct {
	config  Config
	slots   chan struct{}
	version atomic.Int64           // 0: not asked yet
	root    atomic.Pointer[string] // the cgroup of the user's systemd; nil: not asked yet
}

const parallel = 8

// New makes a Driver. It looks at nothing yet.
func New(c Config) *Driver {
	if c.Socket == "" {
		run := "/run"
		if c.User {
			run = os.Getenv("XDG_RUNTIME_DIR")
		}
		c.Socket = path.Join(run, "systemd/private")
	}
	if c.Booted == "" {
		c.Booted = "/run/systemd/system"
	}
	if c.Self == "" {
		c.Self = "/proc/self/cgroup"
	}
	if c.Timeout == 0 {
		c.Timeout = 30 * time.Second
	}
	if c.Hold == nil {
		c.Hold = hold
	}
	return &Driver{config: c, slots: make(chan struct{}, parallel)}
}

func hold() (int, func() error, error) {
	h, err := conmon.Hold()
	if err != nil {
		return 0, nil, err
	}
	return h.Pid, h.End, nil
}

// Booted says why this host's systemd cannot be asked.
func (d *Driver) Booted() error {
	if st, err := os.Lstat(d.config.Booted); err != nil || !st.IsDir() {
		return fmt.Errorf("%w: %s is not there: use the cgroupfs driver", ErrNotRunning, d.config.Booted)
	}
	if d.config.User && !path.IsAbs(d.config.Socket) {
		return fmt.Errorf("%w: XDG_RUNTIME_DIR is not set, in which the user's systemd listens", ErrNotRunning)
	}
	return nil
}

// Unit implements cgroup.Driver.
func (d *Driver) Unit(cgroupsPath string) (cgroup.Unit, error) {
	if !d.config.User {
		return parsePath(cgroupsPath, "system.slice")
	}
	u, err := parsePath(cgroupsPath, "user.slice")
	if err != nil {
		return u, err
	}
	root := d.root.Load()
	if root == nil {
		if root, err = d.userRoot(u.Name); err != nil {
			return cgroup.Unit{}, err
		}
		d.root.Store(root)
	}
	u.Directory = path.Join(*root, u.Directory)
	return u, nil
}

// userRoot asks for the cgroup below which the user's systemd has its slices.
func (d *Driver) userRoot(unit string) (*string, error) {
	var root string
	err := d.with(context.Background(), "look at", unit, func(s *session) (err error) {
		root, err = s.property("ControlGroup")
		return err
	})
	return &root, err
}

// Start implements cgroup.Driver.
func (d *Driver) Start(ctx context.Context, q cgroup.UnitRequest) (release func() error, err error) {
	asked, err := annotated(q.Annotations)
	if err != nil {
		return nil, err
	}
	if err := d.Booted(); err != nil {
		return nil, err
	}
	if err := d.reaches(&q); err != nil {
		return nil, err
	}
	pid, end, err := d.config.Hold()
	if err != nil {
		return nil, err
	}
	err = d.with(ctx, "start", q.Name, func(s *session) error {
		limits, err := s.limits(q.Settings, true)
		if err != nil {
			return err
		}
		return s.start(append(append(scope(&q, pid), limits...), asked...))
	})
	if err == nil {
		return end, nil
	}
	err = errors.Join(err, end())
	var failed *Error
	if errors.As(err, &failed) && failed.Call == jobWait { // it may come to be yet
		err = errors.Join(err, d.Stop(context.WithoutCancel(ctx), q.Name))
	}
	return nil, err
}

// reaches says why a process of ours could not be in the unit of a user's systemd. The kernel lets a user move processes only below a cgroup that
// is theirs: the one of their systemd (cgroups(7), "Cgroups delegation"). A session, where a login shell is, is beside it.
func (d *Driver) reaches(q *cgroup.UnitRequest) error {
	if !d.config.User {
		return nil
	}
	if q.V1 {
		return fmt.Errorf("%w: a user's systemd makes cgroups on v2 alone", ErrOutside)
	}
	text, err := os.ReadFile(d.config.Self)
	if err != nil {
		return err
	}
	root := d.root.Load()
	for line := range strings.Lines(string(text)) {
		own, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "0::")
		if ok && root != nil && !strings.HasPrefix(own, *root+"/") {
			return fmt.Errorf("%w: this process is in %s, not below %s: run it by systemd-run --user --scope", ErrOutside, own, *root)
		}
	}
	return nil
}

// scope are the properties that every container's scope has. Accounting has all controllers switched on, as the cgroupfs driver does; Delegate
// has systemd leave alone what is below.
func scope(q *cgroup.UnitRequest, pid int) dbus.Properties {
	io := "IOAccounting"
	if q.V1 {
		io = "BlockIOAccounting"
	}
	return dbus.Properties{
		{Name: "Description", Value: "container of crisp"},
		{Name: "Slice", Value: q.Slice},
		{Name: "PIDs", Value: []uint32{uint32(pid)}},
		{Name: "Delegate", Value: true},
		{Name: "DefaultDependencies", Value: false},
		{Name: "CollectMode", Value: "inactive-or-failed"},
		{Name: "MemoryAccounting", Value: true},
		{Name: "CPUAccounting", Value: true},
		{Name: io, Value: true},
		{Name: "TasksAccounting", Value: true},
	}
}

// Set implements cgroup.Driver.
func (d *Driver) Set(ctx context.Context, unit string, settings []cgroup.Setting) error {
	return d.with(ctx, "set", unit, func(s *session) error {
		properties, err := s.limits(settings, false)
		if err != nil || len(properties) == 0 {
			return err
		}
		if _, err := s.manager("SetUnitProperties", unit, true, properties); err != nil {
			return err
		}
		// systemd writes the files after its answer, when it is done with the message and before it reads the next.
		return s.ping()
	})
}

// Stop implements cgroup.Driver.
func (d *Driver) Stop(ctx context.Context, unit string) error {
	if !d.config.User && d.Booted() != nil { // no systemd, no units: a record is older than the host's boot
		return nil
	}
	return d.with(ctx, "stop", unit, (*session).stop)
}

// with connects, and names what goes wrong.
func (d *Driver) with(ctx context.Context, stage, unit string, f func(*session) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, d.config.Timeout, fmt.Errorf("systemd has not answered for %v", d.config.Timeout))
	defer cancel()
	s := &session{driver: d, unit: unit, call: "connect"}
	err := d.Booted()
	if err == nil {
		err = d.connect(ctx, s)
	}
	if err == nil {
		err = f(s)
		s.conn.Close()
		<-d.slots
	}
	if err != nil {
		return &Error{Stage: stage, Unit: unit, Call: s.call, Err: err}
	}
	return nil
}

// connect takes a slot, which the session has then.
func (d *Driver) connect(ctx context.Context, s *session) error {
	select {
	case d.slots <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	var err error
	if s.conn, err = dbus.Dial(ctx, d.config.Socket); err != nil {
		<-d.slots
	}
	return err
}

// versionOf reads "252.39-1~deb12u1" or "v245.4-1.fc32".
func versionOf(text string) int64 {
	var n int64
	for _, c := range strings.TrimPrefix(text, "v") {
		if c < '0' || c > '9' || n > 1e6 {
			break
		}
		n = 10*n + int64(c-'0')
	}
	return n
}
