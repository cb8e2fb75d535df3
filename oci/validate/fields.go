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

// notRequired are fields without omitempty in the Go types that the text of the runtime spec does not call REQUIRED, or not always.
var notRequired = map[string]bool{
	"Process.User": true, "LinuxDevice.Major": true, "LinuxDevice.Minor": true, "LinuxMemoryPolicy.Nodes": true,
}

// otherPlatforms are structs of which a container on Linux reads nothing.
var otherPlatforms = map[reflect.Type]bool{
	reflect.TypeFor[specs.Windows](): true, reflect.TypeFor[specs.Solaris](): true, reflect.TypeFor[specs.VM](): true,
	reflect.TypeFor[specs.FreeBSD](): true, reflect.TypeFor[specs.ZOS](): true,
}

// required says whether a field is REQUIRED: the Go types leave omitempty out there.
func required(t reflect.Type, f reflect.StructField) bool {
	return !strings.Contains(f.Tag.Get("json"), ",omitempty") && !notRequired[t.Name()+"."+f.Name] && !otherPlatforms[t]
}
