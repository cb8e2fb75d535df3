// SPDX-License-Identifier: Apache-2.0

package generate

import (
	"errors"
	"path"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

func hookSettings() []Setting {
	return []Setting{{
		Names: []string{"hook"}, Usage: "hook as kind:path[:argument[:argument…]], such as poststop:/usr/bin/cleanup", apply: addHook,
	}}
}

func addHook(s *specs.Spec, v string) error {
	parts := strings.Split(v, ":")
	if len(parts) < 2 || !path.IsAbs(parts[1]) {
		return errors.New("want kind:path[:argument…], the path absolute")
	}
	field := hooksOf(pointer(&s.Hooks), parts[0])
	if field == nil {
		return errors.New("want one of prestart, createRuntime, createContainer, startContainer, poststart, poststop")
	}
	h := specs.Hook{Path: parts[1]}
	if len(parts) > 2 { // the first argument is the program's name
		h.Args = append([]string{path.Base(h.Path)}, parts[2:]...)
	}
	*field = append(*field, h)
	return nil
}

func hooksOf(h *specs.Hooks, kind string) *[]specs.Hook {
	switch kind {
	case "prestart":
		//lint:ignore SA1019 deprecated, but still in use
		return &h.Prestart
	case "createRuntime":
		return &h.CreateRuntime
	case "createContainer":
		return &h.CreateContainer
	case "startContainer":
		return &h.StartContainer
	case "poststart":
		return &h.Poststart
	case "poststop":
		return &h.Poststop
	}
	return nil
}
