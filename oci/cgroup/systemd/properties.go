// SPDX-License-Identifier: Apache-2.0

package systemd

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"crisp/oci/cgroup/systemd/dbus"
)

// prefix begins an annotation that sets a property of the container's unit, as runc and crun know it.
const prefix = "org.systemd.property."

// typeOf is the type of a property that a container may set; "": it may not.
//
// These concern the scope alone: how long it may take to stop, how its processes are killed, what becomes of it then. All others are refused. Some
// lift the limits that somebody else has set (MemoryMax, Slice, Delegate), some move or kill other processes (PIDs, Conflicts, OnFailure,
// PropagatesStopTo), some run programs or load them into the kernel (ExecStartPost, IPIngressFilterPath, BPFProgram), and some end the whole machine
// (FailureAction, JobTimeoutAction). An annotation may be a pod's author's: CVE-2024-3154.
func typeOf(name string) string {
	switch name {
	case "Description", "CollectMode", "KillMode", "OOMPolicy":
		return "s"
	case "KillSignal":
		return "i"
	case "SendSIGKILL", "SendSIGHUP":
		return "b"
	case "TimeoutStopUSec", "RuntimeMaxUSec":
		return "t"
	}
	return ""
}

// annotated reads the properties that annotations ask for, in the order of their names.
func annotated(annotations map[string]string) (dbus.Properties, error) {
	var list dbus.Properties
	for key, text := range annotations {
		name, ok := strings.CutPrefix(key, prefix)
		if !ok {
			continue
		}
		p, err := parseProperty(name, text)
		if err != nil {
			return nil, fmt.Errorf("annotation %q: %w", key, err)
		}
		list = append(list, p)
	}
	slices.SortFunc(list, func(a, b dbus.Property) int { return strings.Compare(a.Name, b.Name) })
	for i := 1; i < len(list); i++ {
		if list[i].Name == list[i-1].Name { // FooSec and FooUSec
			return nil, fmt.Errorf("annotation %q: %w: given twice", prefix+list[i].Name, ErrProperty)
		}
	}
	return list, nil
}

// CheckAnnotations says which annotation cannot be carried out.
func CheckAnnotations(annotations map[string]string) error {
	_, err := annotated(annotations)
	return err
}

// parseProperty reads a value in GVariant's text form, of which runc takes all types. A name that ends in Sec stands for the same in USec, in
// seconds.
func parseProperty(name, text string) (dbus.Property, error) {
	scale := uint64(1)
	if stem, ok := strings.CutSuffix(name, "Sec"); ok && !strings.HasSuffix(stem, "U") {
		name, scale = stem+"USec", 1000000
	}
	kind := typeOf(name)
	if kind == "" {
		return dbus.Property{}, ErrProperty
	}
	v, ok := parseValue(kind, strings.TrimSpace(text), scale)
	if !ok {
		return dbus.Property{}, fmt.Errorf("%w: %.60q is no value of type %s", ErrProperty, text, kind)
	}
	return dbus.Property{Name: name, Value: v}, nil
}

func parseValue(kind, text string, scale uint64) (any, bool) {
	switch kind {
	case "s":
		return unquote(text)
	case "b":
		text = strings.TrimPrefix(text, "boolean ")
		return text == "true", text == "true" || text == "false"
	case "i":
		n, err := strconv.ParseInt(number(text), 0, 32)
		return int32(n), err == nil
	case "t":
		n, err := strconv.ParseUint(number(text), 0, 64)
		return n * scale, err == nil && n <= infinity/scale
	}
	return nil, false
}

// number takes the type off a number: "uint64 5".
func number(text string) string {
	kind, rest, ok := strings.Cut(text, " ")
	if ok && slices.Contains([]string{"byte", "int16", "uint16", "int32", "uint32", "int64", "uint64"}, kind) {
		return strings.TrimSpace(rest)
	}
	return text
}

// unquote reads 'text' or "text". Of escapes there are the backslash's before quotes and itself.
func unquote(text string) (string, bool) {
	text = strings.TrimPrefix(text, "string ")
	if len(text) < 2 || text[0] != '\'' && text[0] != '"' || text[len(text)-1] != text[0] {
		return "", false
	}
	quote := text[0]
	var b strings.Builder
	for i := 1; i < len(text)-1; i++ {
		c := text[i]
		switch {
		case c == quote || c < ' ' || c == 0x7f:
			return "", false
		case c == '\\':
			i++
			if i == len(text)-1 || strings.IndexByte(`\'"`, text[i]) < 0 {
				return "", false
			}
			c = text[i]
		}
		b.WriteByte(c)
	}
	return b.String(), true
}
