// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
)

// What a failed request comes down to. Every error of a Repository but a context's is one of these, or none if the
// registry's answer makes no sense.
var (
	ErrUnauthorized = errors.New("unauthorized")
	ErrNotFound     = errors.New("not found")
	ErrUnavailable  = errors.New("unavailable")
	ErrLimit        = errors.New("response too large")
	ErrDigest       = errors.New("digest mismatch")
)

// Error says what every host answered, in the order in which they were asked.
type Error struct {
	Op       string // "resolve docker.io/library/busybox:latest"
	Attempts []Attempt
}

// Attempt is one host's answer.
type Attempt struct {
	Host string // "https://mirror.example:5000"
	Err  error
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Op)
	for i, a := range e.Attempts {
		sep := "; "
		if i == 0 {
			sep = ": "
		}
		fmt.Fprintf(&b, "%s%s: %v", sep, a.Host, a.Err)
	}
	if len(e.Attempts) == 0 {
		b.WriteString(": no host is configured for this")
	}
	return b.String()
}

// Unwrap is the last host's error: the registry's own host is asked last and knows best.
func (e *Error) Unwrap() error {
	if len(e.Attempts) == 0 {
		return nil
	}
	return e.Attempts[len(e.Attempts)-1].Err
}

// transportError is an error below HTTP: the host could not be reached, or the connection broke.
type transportError struct{ err error }

func (e *transportError) Error() string   { return e.err.Error() }
func (e *transportError) Unwrap() error   { return e.err }
func (e *transportError) Is(t error) bool { return t == ErrUnavailable }

// temporary says whether the same host may well answer in a moment. A refused connection or an unknown name is for the
// caller's own, longer retry.
func (e *transportError) temporary() bool {
	if errors.Is(e.err, syscall.ECONNREFUSED) || errors.Is(e.err, context.Canceled) {
		return false
	}
	if dns, ok := errors.AsType[*net.DNSError](e.err); ok {
		return dns.IsTemporary
	}
	if op, ok := errors.AsType[*net.OpError](e.err); ok && op.Op == "dial" {
		return false
	}
	return !strings.Contains(e.err.Error(), "tls:") && !strings.Contains(e.err.Error(), "x509:")
}

// statusError is an answer that is not the one wanted.
type statusError struct {
	status  int
	text    string // "404 Not Found"
	message string // the registry's own words, cleaned
	retry   string // Retry-After
}

func (e *statusError) Error() string {
	if e.message == "" {
		return e.text
	}
	return e.text + ": " + e.message
}

func (e *statusError) Is(t error) bool {
	switch t {
	case ErrUnauthorized:
		return e.status == 401 || e.status == 403
	case ErrNotFound:
		return e.status == 404
	case ErrUnavailable:
		return e.temporary()
	}
	return false
}

func (e *statusError) temporary() bool { return e.status == 408 || e.status == 429 || e.status >= 500 }
