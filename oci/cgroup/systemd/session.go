// SPDX-License-Identifier: Apache-2.0

package systemd

import (
	"errors"
	"fmt"

	"crisp/oci/cgroup/systemd/dbus"
)

// A session is one connection, about one unit.
type session struct {
	driver *Driver
	unit   string
	conn   *dbus.Conn
	call   string // the last, for errors
}

const (
	busName      = "org.freedesktop.systemd1"
	managerPath  = "/org/freedesktop/systemd1"
	managerIface = "org.freedesktop.systemd1.Manager"

	jobWait = "wait for the job"
)

// manager calls a method of systemd's manager.
func (s *session) manager(member string, body ...any) (dbus.Message, error) {
	s.call = member
	return s.conn.Call(dbus.Call{Destination: busName, Path: managerPath, Interface: managerIface, Member: member, Body: body})
}

// property reads one of the manager's own.
func (s *session) property(name string) (string, error) {
	s.call = "Get " + name
	return onlyText(s.conn.Call(dbus.Call{
		Destination: busName, Path: managerPath, Interface: "org.freedesktop.DBus.Properties", Member: "Get", Body: []any{managerIface, name},
	}))
}

// version is systemd's. It is asked once.
func (s *session) version() (int64, error) {
	if n := s.driver.version.Load(); n != 0 {
		return n, nil
	}
	call := s.call
	text, err := s.property("Version")
	if err != nil {
		return 0, err
	}
	s.call = call
	n := versionOf(text)
	s.driver.version.Store(n)
	return n, nil
}

func (s *session) ping() error {
	s.call = "Ping"
	_, err := s.conn.Call(dbus.Call{Destination: busName, Path: managerPath, Interface: "org.freedesktop.DBus.Peer", Member: "Ping"})
	return err
}

// start makes the unit and waits until it is there. A failed unit of the name, which systemd keeps for people to look at, makes room.
func (s *session) start(properties dbus.Properties) error {
	job, err := s.startJob(properties)
	if is(err, "UnitExists") {
		_, _ = s.manager("ResetFailedUnit", s.unit) // if it was no failed one, the next attempt says so
		job, err = s.startJob(properties)
	}
	if is(err, "UnitExists") {
		return fmt.Errorf("%w: %w", ErrExists, err)
	}
	if err != nil {
		return err
	}
	result, err := s.wait(job)
	if err != nil {
		return err
	}
	if result != "done" {
		_, _ = s.manager("ResetFailedUnit", s.unit)
		s.call = jobWait
		return fmt.Errorf("%w: %s (journalctl -u %s may know more)", ErrJob, result, s.unit)
	}
	return nil
}

func (s *session) startJob(properties dbus.Properties) (job string, err error) {
	m, err := s.manager("StartTransientUnit", s.unit, "replace", properties, dbus.Units{})
	return onlyText(m, err)
}

// stop ends the unit and waits until its name is free.
func (s *session) stop() error {
	job, err := onlyText(s.manager("StopUnit", s.unit, "replace"))
	if is(err, "NoSuchUnit") {
		return nil
	}
	if err != nil {
		return err
	}
	result, err := s.wait(job)
	if err != nil {
		return err
	}
	if _, err := s.manager("ResetFailedUnit", s.unit); err != nil && !is(err, "NoSuchUnit") {
		return err
	}
	if result != "done" {
		return fmt.Errorf("%w: %s", ErrJob, result)
	}
	return nil
}

// onlyText is the one string that a call has returned: a property, or the path of the job that it has made.
func onlyText(m dbus.Message, err error) (string, error) {
	if err != nil {
		return "", err
	}
	texts, err := m.Strings()
	if err == nil && len(texts) != 1 {
		err = dbus.ErrProtocol
	}
	if err != nil {
		return "", err
	}
	return texts[0], nil
}

// wait waits for a job's end: JobRemoved(u id, o job, s unit, s result).
func (s *session) wait(job string) (result string, err error) {
	s.call = jobWait
	for {
		m, err := s.conn.Signal()
		if err != nil {
			return "", err
		}
		if m.Member != "JobRemoved" || m.Interface != managerIface {
			continue
		}
		texts, err := m.Strings()
		if err != nil || len(texts) != 3 {
			return "", errors.Join(err, dbus.ErrProtocol)
		}
		if texts[0] == job {
			return texts[2], nil
		}
	}
}

// is says whether the error is one of systemd's.
func is(err error, name string) bool {
	var e *dbus.Error
	return errors.As(err, &e) && e.Name == "org.freedesktop.systemd1."+name
}
