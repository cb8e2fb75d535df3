// SPDX-License-Identifier: Apache-2.0

package cgroup

import (
	"bytes"
	"errors"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A reader reads a cgroup's files into one buffer, without allocating: stats of all containers are asked for every few seconds.
type reader struct {
	path []byte // of the cgroup
	name []byte // of the file, NUL-terminated
	buf  []byte
	text []byte // what was read, in buf
	err  error  // the first, but for files that are not there
}

func newReader() *reader { return &reader{buf: make([]byte, 8192)} }

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

// read reads a file of the cgroup into r.text. false: the host does not have it, or it failed.
func (r *reader) read(h *hierarchy, file string) bool {
	r.text = nil
	r.name = append(append(append(append(r.name[:0], r.path...), '/'), file...), 0)
	root, err := h.fd()
	if err != nil {
		r.fail(err)
		return false
	}
	fd, err := openat(root, r.name)
	if err == unix.ENOENT {
		return false
	}
	if err != nil {
		r.fail(err)
		return false
	}
	defer unix.Close(fd)
	n := 0
	for {
		got, err := unix.Read(fd, r.buf[n:])
		switch {
		case err == unix.EINTR:
		case errors.Is(err, unix.EOPNOTSUPP):
			return false // PSI that is switched off
		case err != nil:
			r.fail(err)
			return false
		case got == 0:
			r.text = r.buf[:n]
			return true
		default:
			n += got
			if n == len(r.buf) {
				r.buf = append(r.buf, make([]byte, len(r.buf))...)
			}
		}
	}
}

// openat opens a NUL-terminated name. unix.Openat would copy it.
func openat(dir int, name []byte) (int, error) {
	for {
		fd, _, errno := unix.Syscall6(unix.SYS_OPENAT, uintptr(dir), uintptr(unsafe.Pointer(&name[0])), unix.O_RDONLY|unix.O_CLOEXEC, 0, 0, 0)
		switch errno {
		case 0:
			return int(fd), nil
		case unix.EINTR:
		default:
			return -1, errno
		}
	}
}

// number reads a file with a number or "max".
func (r *reader) number(h *hierarchy, file string, n *uint64) bool {
	if !r.read(h, file) {
		return false
	}
	v, ok := number(bytes.TrimSpace(r.text))
	if ok {
		*n = v
	}
	return ok
}

// values calls f for the lines of r.text:
//
//	anon 4096
//	inactive_file 0
func (r *reader) values(f func(key []byte, n uint64)) {
	text := r.text
	for len(text) > 0 {
		var line []byte
		line, text, _ = bytes.Cut(text, []byte("\n"))
		key, value, _ := bytes.Cut(line, []byte(" "))
		if n, ok := number(value); ok {
			f(key, n)
		}
	}
}

// number parses digits, or "max". What v1 says for no limit is NoLimit too.
func number(b []byte) (n uint64, ok bool) {
	if string(b) == "max" {
		return NoLimit, true
	}
	for _, c := range b {
		if c < '0' || c > '9' || n > (NoLimit-9)/10 {
			return 0, false
		}
		n = 10*n + uint64(c-'0')
	}
	if n >= 1<<62 {
		n = NoLimit
	}
	return n, len(b) > 0
}

// pressure reads a PSI file.
func (r *reader) pressure(h *hierarchy, file string, p *Pressure) {
	if r.read(h, file) {
		*p = parsePressure(r.text)
	}
}

// parsePressure parses (total is in microseconds, the rest percents)
//
//	some avg10=0.00 avg60=0.12 avg300=0.05 total=123456
//	full avg10=0.00 avg60=0.00 avg300=0.00 total=0
func parsePressure(text []byte) Pressure {
	var p Pressure
	for len(text) > 0 {
		var line, word []byte
		line, text, _ = bytes.Cut(text, []byte("\n"))
		word, line, _ = bytes.Cut(line, []byte(" "))
		l := &p.Some
		switch string(word) {
		case "some":
		case "full":
			l = &p.Full
		default:
			continue
		}
		p.Known = true
		for len(line) > 0 {
			word, line, _ = bytes.Cut(line, []byte(" "))
			l.set(word)
		}
	}
	return p
}

func (l *PressureLine) set(word []byte) {
	key, value, _ := bytes.Cut(word, []byte("="))
	switch string(key) {
	case "avg10":
		l.Avg10 = percent(value)
	case "avg60":
		l.Avg60 = percent(value)
	case "avg300":
		l.Avg300 = percent(value)
	case "total":
		n, _ := number(value)
		l.Total = 1000 * n
	}
}

// percent parses digits, a point and two digits.
func percent(b []byte) float64 {
	whole, fraction, _ := bytes.Cut(b, []byte("."))
	n, _ := number(whole)
	f, ok := number(fraction)
	if !ok || len(fraction) != 2 {
		return float64(n)
	}
	return float64(n) + float64(f)/100
}
