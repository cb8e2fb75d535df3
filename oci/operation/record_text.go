// SPDX-License-Identifier: Apache-2.0

package operation

import (
	"bytes"
	"fmt"
	"strconv"
	"time"
	"unsafe"

	"crisp/oci/config/scan"
)

// The file of a record is two JSON texts: the record, on one line, and the config.json that the container was made of. It is written and
// read by hand: every command does so, and encoding/json takes a third of a millisecond to get to know the types.

// text is the line of a record. What is 0 or "" is left out.
func (r *record) text() []byte {
	w := recordWriter{b: make([]byte, 0, 1024)}
	w.number("form", recordForm)
	w.string("id", r.ID)
	w.string("ociVersion", r.Version)
	w.string("bundle", r.Bundle)
	w.string("rootfs", r.Rootfs)
	w.name("created")
	w.b = append(r.Created.AppendFormat(append(w.b, '"'), time.RFC3339Nano), '"')
	w.strings("annotations", r.Annotations)
	w.number("pid", uint64(r.Pid))
	w.number("startTime", r.StartTime)
	w.string("cgroup", r.Cgroup)
	w.string("freezer", r.Freezer)
	w.list("hierarchies", r.Hierarchies)
	w.flag("systemd", r.Systemd)
	w.string("mount", r.Mount)
	if len(r.Notes) > 0 {
		notes := make(map[string]string, len(r.Notes))
		for step, note := range r.Notes {
			notes[strconv.Itoa(step)] = note
		}
		w.strings("notes", notes)
	}
	w.string("program", r.Program)
	w.flag("hooks", r.Hooks)
	w.flag("noKeyring", r.NoKeyring)
	w.flag("ownPIDs", r.OwnPIDs)
	w.number("listenFDs", uint64(r.ListenFDs))
	w.string("intelRdt", r.IntelRdt)
	w.flag("timeNamespace", r.TimeNamespace)
	return append(w.b, '}', '\n')
}

// A recordWriter appends the fields of an object.
type recordWriter struct{ b []byte }

func (w *recordWriter) name(name string) {
	c := byte(',')
	if len(w.b) == 0 {
		c = '{'
	}
	w.b = append(scan.AppendString(append(w.b, c), name), ':')
}

func (w *recordWriter) string(name, value string) {
	if value != "" {
		w.name(name)
		w.b = scan.AppendString(w.b, value)
	}
}

func (w *recordWriter) number(name string, value uint64) {
	if value != 0 {
		w.name(name)
		w.b = strconv.AppendUint(w.b, value, 10)
	}
}

func (w *recordWriter) flag(name string, value bool) {
	if value {
		w.name(name)
		w.b = append(w.b, "true"...)
	}
}

func (w *recordWriter) strings(name string, values map[string]string) {
	if len(values) == 0 {
		return
	}
	w.name(name)
	c := byte('{')
	for key, value := range values {
		w.b = append(scan.AppendString(append(w.b, c), key), ':')
		w.b = scan.AppendString(w.b, value)
		c = ','
	}
	w.b = append(w.b, '}')
}

// list writes an empty list too, which is not the same as none.
func (w *recordWriter) list(name string, values []string) {
	if values == nil {
		return
	}
	w.name(name)
	w.b = append(w.b, '[')
	for i, value := range values {
		if i > 0 {
			w.b = append(w.b, ',')
		}
		w.b = scan.AppendString(w.b, value)
	}
	w.b = append(w.b, ']')
}

// parseRecord reads the file of a record. What it returns shares the memory.
func parseRecord(b []byte) (r record, config []byte, err error) {
	line, config, ok := bytes.Cut(b, []byte("\n"))
	if !ok {
		return record{}, nil, fmt.Errorf("%s: torn", recordName)
	}
	s := scan.New(unsafe.String(unsafe.SliceData(line), len(line)))
	form := r.scan(s)
	if form != recordForm && form != 0 {
		return record{}, nil, fmt.Errorf("%s: form %d, not %d", recordName, form, recordForm)
	}
	if !s.End() || form == 0 {
		return record{}, nil, fmt.Errorf("%s: malformed", recordName)
	}
	return r, config, nil
}

// scan reads the line of a record, up to its end if it is of our form.
func (r *record) scan(s *scan.Scanner) (form uint64) {
	if !s.Object() {
		return 0
	}
	for name, ok := s.Field(); ok; name, ok = s.Field() {
		switch name {
		case "form":
			if form = s.Uint(32); form != recordForm {
				return form
			}
		case "created":
			var err error
			if r.Created, err = time.Parse(time.RFC3339Nano, s.Str()); err != nil {
				s.Fail()
			}
		case "annotations":
			r.Annotations = scan.Map(s, scanString)
		case "notes":
			r.Notes = scanNotes(s)
		case "hierarchies":
			r.Hierarchies = scan.Strings[string](s)
		default:
			r.scanPlain(s, name)
		}
	}
	return form
}

// scanPlain reads a field of a simple type.
func (r *record) scanPlain(s *scan.Scanner, name string) {
	switch name {
	case "id":
		r.ID = s.Str()
	case "ociVersion":
		r.Version = s.Str()
	case "bundle":
		r.Bundle = s.Str()
	case "rootfs":
		r.Rootfs = s.Str()
	case "pid":
		r.Pid = int(s.Uint(31))
	case "startTime":
		r.StartTime = s.Uint(64)
	case "cgroup":
		r.Cgroup = s.Str()
	case "freezer":
		r.Freezer = s.Str()
	case "systemd":
		r.Systemd = s.Bool()
	case "mount":
		r.Mount = s.Str()
	case "program":
		r.Program = s.Str()
	case "hooks":
		r.Hooks = s.Bool()
	case "noKeyring":
		r.NoKeyring = s.Bool()
	case "ownPIDs":
		r.OwnPIDs = s.Bool()
	case "listenFDs":
		r.ListenFDs = int(s.Uint(31))
	case "intelRdt":
		r.IntelRdt = s.Str()
	case "timeNamespace":
		r.TimeNamespace = s.Bool()
	default:
		s.Fail()
	}
}

func scanString(s *scan.Scanner, v *string) { *v = s.Str() }

func scanNotes(s *scan.Scanner) map[int]string {
	notes := map[int]string{}
	for step, note := range scan.Map(s, scanString) {
		n, err := strconv.Atoi(step)
		if err != nil {
			s.Fail()
		}
		notes[n] = note
	}
	return notes
}
