// SPDX-License-Identifier: Apache-2.0

package dbus

import "errors"

// Errors of a connection.
var (
	// ErrAuth: the peer does not let us in.
	ErrAuth = errors.New("dbus: authentication refused")
	// ErrProtocol: what came is no D-Bus message, or not the one that is expected.
	ErrProtocol = errors.New("dbus: malformed message")
	// ErrInvalid: an argument cannot be sent.
	ErrInvalid = errors.New("dbus: invalid argument")
	// ErrClosed: the peer has closed the connection.
	ErrClosed = errors.New("dbus: connection closed")
)

// An Error is an answer that says that the call failed.
type Error struct {
	Name    string // "org.freedesktop.systemd1.UnitExists"
	Message string
}

func (e *Error) Error() string {
	if e.Message == "" {
		return e.Name
	}
	return e.Message + " (" + e.Name + ")"
}
