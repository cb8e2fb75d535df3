// SPDX-License-Identifier: Apache-2.0

package validate

import (
	"reflect"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// fieldsOf returns the fields of a struct by their names in JSON, those of embedded structs with them.
func fieldsOf(t reflect.Type) map[string]reflect.StructField {
	all := map[string]reflect.StructField{}
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous || name == "" || name == "-" {
			continue
		}
		all[name] = f
	}
	return all
}

// notRequired says of fields without omitempty in the Go types that the text of the runtime spec does not call them REQUIRED, or not always.
func notRequired(field string) bool {
	switch field {
	case "Process.User", "LinuxDevice.Major", "LinuxDevice.Minor", "LinuxMemoryPolicy.Nodes":
		return true
	}
	return false
}

// otherPlatform says of a struct that a container on Linux reads nothing of it.
func otherPlatform(t reflect.Type) bool {
	switch t {
	case reflect.TypeFor[specs.Windows](), reflect.TypeFor[specs.Solaris](), reflect.TypeFor[specs.VM](), reflect.TypeFor[specs.FreeBSD](),
		reflect.TypeFor[specs.ZOS]():
		return true
	}
	return false
}

// required says whether a field is REQUIRED: the Go types leave omitempty out there.
func required(t reflect.Type, f reflect.StructField) bool {
	return !strings.Contains(f.Tag.Get("json"), ",omitempty") && !notRequired(t.Name()+"."+f.Name) && !otherPlatform(t)
}
