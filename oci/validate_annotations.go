// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"maps"
	"slices"
	"strings"
)

// The annotations of runtime-spec config.md, "Annotations"; others in their namespace are reserved.
var ownAnnotations = []string{
	"org.opencontainers.image.os", "org.opencontainers.image.os.version", "org.opencontainers.image.os.features",
	"org.opencontainers.image.architecture", "org.opencontainers.image.variant", "org.opencontainers.image.author",
	"org.opencontainers.image.created", "org.opencontainers.image.stopSignal",
}

func (v *validator) annotations() {
	if _, ok := v.spec.Annotations[""]; ok {
		v.invalid("annotations", "a key is empty")
	}
	if !v.thorough {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(v.spec.Annotations)) {
		reserved := strings.HasPrefix(name, "org.opencontainers.") && !slices.Contains(ownAnnotations, name)
		v.advise(reserved, key("annotations", name), "reserved for the runtime spec, which does not define it")
		v.advise(name != "" && !reverseDomain(name), key("annotations", name), "not in reverse domain notation")
	}
}
