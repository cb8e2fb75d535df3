// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"path"

	"crisp/oci/hook"

	"github.com/opencontainers/runtime-spec/specs-go"
)

func (v *validator) hooks() {
	h := v.spec.Hooks
	if h == nil {
		return
	}
	for _, kind := range hook.Kinds {
		field := "hooks." + string(kind)
		all := hook.Of(h, kind).Hooks
		v.advise(kind == hook.Prestart && len(all) > 0, field, "deprecated: use createRuntime, createContainer or startContainer")
		for i := range all {
			v.hook(at(field, i), &all[i])
		}
	}
}

func (v *validator) hook(field string, h *specs.Hook) {
	switch {
	case h.Path == "":
		v.invalid(field+".path", "missing")
	case !path.IsAbs(h.Path):
		v.invalid(field+".path", "%q: not absolute", h.Path)
	}
	if h.Timeout != nil && *h.Timeout <= 0 {
		v.invalid(field+".timeout", "%d: not greater than zero", *h.Timeout)
	}
	v.text(field+".path", h.Path)
	v.texts(field+".args", h.Args)
	v.environment(field+".env", h.Env)
}
