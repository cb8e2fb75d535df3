// SPDX-License-Identifier: Apache-2.0

package validate

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"crisp/oci"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// MaxConfig is how large a config.json may be: eight times what the kernel takes as arguments and environment of a process.
const MaxConfig = 16 << 20

// maxFindings bounds what is said about one file.
const maxFindings = 1000

// document is what the findings about the text as a whole are filed under.
const document = "config.json"

// Decode reads a config.json as the runtime does, with what is to be said about its text. The spec is nil when there is none to read.
func Decode(b []byte) (*specs.Spec, oci.Findings) {
	w := walker{}
	if len(b) > MaxConfig {
		w.invalid(document, "over %d bytes", MaxConfig)
		return nil, w.findings
	}
	if !utf8.Valid(b) {
		w.invalid(document, "not UTF-8")
	}
	var spec *specs.Spec
	err := json.Unmarshal(b, &spec) // goes on after a wrong type
	var syntax *json.SyntaxError
	var wrong *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		w.invalid(document, "%s: %v", place(b, syntax.Offset), syntax)
		return nil, w.findings
	case err != nil && !errors.As(err, &wrong):
		w.invalid(document, "%v", err)
		return nil, w.findings
	}
	w.tokens = json.NewDecoder(bytes.NewReader(b))
	w.tokens.UseNumber()
	w.value("", reflect.TypeFor[specs.Spec]())
	if wrong != nil && w.findings.Errors() == nil { // whatever it is, the walk should have seen it
		w.invalid(wrong.Field, "%s, want %s", wrong.Value, wrong.Type)
	}
	return spec, w.findings
}

// place tells where in a text an offset is.
func place(b []byte, offset int64) string {
	before := b[:min(max(offset-1, 0), int64(len(b)))]
	line := bytes.Count(before, []byte("\n"))
	column := len(before) - (bytes.LastIndexByte(before, '\n') + 1)
	return fmt.Sprintf("line %d, column %d", line+1, column+1)
}

// walker compares a text that is valid JSON with the Go types that it is read into.
type walker struct {
	tokens   *json.Decoder
	findings oci.Findings
}

func (w *walker) add(f oci.FieldError) {
	if len(w.findings) < maxFindings {
		w.findings = append(w.findings, &f)
	}
}

func (w *walker) invalid(field, format string, args ...any) {
	w.add(oci.FieldError{Field: field, Reason: fmt.Sprintf(format, args...), Err: oci.ErrInvalid})
}

func (w *walker) advise(field, format string, args ...any) {
	w.add(oci.FieldError{Field: field, Reason: fmt.Sprintf(format, args...), Err: oci.ErrAdvice, Severity: oci.SeverityWarning})
}

// value reads the next value, which should be of the type, and says whether it is there: null counts as absent.
func (w *walker) value(field string, t reflect.Type) bool {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	token, err := w.tokens.Token()
	if err != nil { // json.Unmarshal has read it all before
		return false
	}
	switch v := token.(type) {
	case nil:
		return false
	case json.Delim:
		w.compound(field, v, t)
	case string:
		w.want(field, "a string", t, reflect.String)
	case bool:
		w.want(field, "a boolean", t, reflect.Bool)
	case json.Number:
		w.number(field, v, t)
	}
	return true
}

func (w *walker) compound(field string, d json.Delim, t reflect.Type) {
	switch kind := t.Kind(); {
	case d == '{' && kind == reflect.Struct:
		w.object(field, t)
	case d == '{' && kind == reflect.Map:
		w.dictionary(field, t)
	case d == '[' && kind == reflect.Slice:
		for i := 0; w.tokens.More(); i++ {
			w.value(fmt.Sprintf("%s[%d]", field, i), t.Elem())
		}
		w.end()
	default:
		w.skip()
		w.want(field, map[json.Delim]string{'{': "an object", '[': "an array"}[d], t, reflect.Invalid)
	}
}

// want says that what was given is not what is wanted, unless it is.
func (w *walker) want(field, given string, t reflect.Type, kind reflect.Kind) {
	if t.Kind() == kind || t.Kind() == reflect.Interface {
		return
	}
	w.invalid(name(field), "%s, want %s", given, kindName(t))
}

// name is the path of a field for a person; the whole has none.
func name(field string) string {
	if field == "" {
		return document
	}
	return field
}

func kindName(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Struct, reflect.Map:
		return "an object"
	case reflect.Slice:
		return "an array"
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "a boolean"
	}
	return "a number"
}

// number wants the number to fit: the runtime would not read it.
func (w *walker) number(field string, n json.Number, t reflect.Type) {
	var err error
	var from, to string
	switch kind := t.Kind(); {
	case kind >= reflect.Int && kind <= reflect.Int64:
		_, err = strconv.ParseInt(n.String(), 10, t.Bits())
		from, to = fmt.Sprint(int64(-1)<<(t.Bits()-1)), fmt.Sprint(uint64(1)<<(t.Bits()-1)-1)
	case kind >= reflect.Uint && kind <= reflect.Uint64:
		_, err = strconv.ParseUint(n.String(), 10, t.Bits())
		from, to = "0", fmt.Sprint(^uint64(0)>>(64-t.Bits()))
	case kind == reflect.Float32 || kind == reflect.Float64:
	default:
		w.want(field, "a number", t, reflect.Invalid)
	}
	if err != nil {
		w.invalid(name(field), "%s: not an integer from %s to %s", shortened(n.String()), from, to)
	}
}

// dictionary reads an object whose keys are names that the writer has chosen.
func (w *walker) dictionary(field string, t reflect.Type) {
	seen := map[string]bool{}
	for w.tokens.More() {
		k := w.key()
		entry := field + "[" + strconv.Quote(shortened(k)) + "]"
		if seen[k] {
			w.advise(entry, "given twice; the last one holds")
		}
		seen[k] = true
		w.value(entry, t.Elem())
	}
	w.end()
}

// object reads an object of the runtime spec.
func (w *walker) object(field string, t reflect.Type) {
	all := fieldsOf(t)
	seen := map[string]bool{}
	present := map[string]bool{}
	for w.tokens.More() {
		k := w.key()
		f, known := all[k]
		if !known { // as encoding/json does
			for _, n := range slices.Sorted(maps.Keys(all)) {
				if strings.EqualFold(n, k) {
					w.advise(join(field, k), "read as %q by this runtime, unknown to others", n)
					f, known, k = all[n], true, n
					break
				}
			}
		}
		if !known {
			w.unknown(join(field, shortened(k)), k, all)
			continue
		}
		if seen[k] {
			w.advise(join(field, k), "given twice; the last one holds")
		}
		seen[k] = true
		present[k] = w.value(join(field, k), f.Type)
	}
	w.end()
	for _, k := range slices.Sorted(maps.Keys(all)) {
		if required(t, all[k]) && !present[k] {
			w.invalid(join(field, k), "missing")
		}
	}
}

// unknownField is what is said of a field that the runtime spec does not have.
const unknownField = "unknown, ignored"

func (w *walker) unknown(field, key string, all map[string]reflect.StructField) {
	hint := ""
	if n, ok := oci.Nearest(key, maps.Keys(all)); ok {
		hint = "; did you mean " + strconv.Quote(n) + "?"
	}
	w.advise(field, "%s%s", unknownField, hint)
	w.skipValue()
}

func (w *walker) key() string {
	token, err := w.tokens.Token()
	if err != nil {
		return ""
	}
	k, _ := token.(string)
	return k
}

// end reads the end of an object or array.
func (w *walker) end() { _, _ = w.tokens.Token() }

// skipValue reads over a value.
func (w *walker) skipValue() {
	token, err := w.tokens.Token()
	if d, ok := token.(json.Delim); err == nil && ok && (d == '{' || d == '[') {
		w.skip()
	}
}

// skip reads to the end of an object or array that was begun.
func (w *walker) skip() {
	for depth := 1; depth > 0; {
		token, err := w.tokens.Token()
		if errors.Is(err, io.EOF) || err != nil {
			return
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
	}
}

func join(field, name string) string {
	if field == "" {
		return name
	}
	return field + "." + name
}

// shortened keeps a foreign text from filling the screen.
func shortened(s string) string {
	const most = 80
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
