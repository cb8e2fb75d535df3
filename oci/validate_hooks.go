// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"path"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// HookKinds are the fields of hooks in the order in which they run, with what reads one.
var HookKinds = []struct {
	Name string
	Of   func(*specs.Hooks) []specs.Hook
}{
	//lint:ignore SA1019 deprecated, but still in use
	{"prestart", func(h *specs.Hooks) []specs.Hook { return h.Prestart }},
	{"createRuntime", func(h *specs.Hooks) []specs.Hook { return h.CreateRuntime }},
	{"createContainer", func(h *specs.Hooks) []specs.Hook { return h.CreateContainer }},
	{"startContainer", func(h *specs.Hooks) []specs.Hook { return h.StartContainer }},
	{"poststart", func(h *specs.Hooks) []specs.Hook { return h.Poststart }},
	{"poststop", func(h *specs.Hooks) []specs.Hook { return h.Poststop }},
}

func (v *validator) hooks() {
	h := v.spec.Hooks
	if h == nil {
		return
	}
	for _, kind := range HookKinds {
		field := "hooks." + kind.Name
		all := kind.Of(h)
		v.advise(kind.Name == "prestart" && len(all) > 0, field, "deprecated: use createRuntime, createContainer or startContainer")
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
