// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"crisp/oci/hook"
	"crisp/oci/validate"
)

const aboutValidate = `The validate command says everything that is to be said about the config.json
   of a bundle: what breaks the runtime spec (errors), what it advises against
   (warnings), what this host does not have, and which files are missing; each
   with the path of the field and the section of the runtime spec. It exits
   with 1 when there are errors.

   With --plan it prints, step by step, what creating the container would do.`

// validateFlags are those of validate.
type validateFlags struct {
	bundle, format string
	plan, specOnly bool
}

func validateCommand() command {
	return command{
		name: "validate", summary: "validate the config.json of a bundle", about: aboutValidate,
		options: func(o *options) action {
			var f validateFlags
			o.string(&f.bundle, "bundle, b", ".", "path to the root of the bundle directory")
			o.string(&f.format, "format, f", "text", "select one of: text or json")
			o.bool(&f.plan, "plan", "print what creating the container would do")
			o.bool(&f.specOnly, "spec-only", "look at the config.json alone, not at this host and at files")
			return func(c *call) (int, error) { return f.run() }
		},
	}
}

func (f *validateFlags) run() (int, error) {
	switch {
	case f.format != "text" && f.format != "json":
		return 0, errors.New("invalid format option")
	case f.plan && f.specOnly:
		return 0, errors.New("a plan is one for this host: --plan and --spec-only exclude each other")
	}
	var m *validate.Machine
	if !f.specOnly {
		var err error
		if m, err = validate.Open(); err != nil {
			return 0, err
		}
		defer m.Close()
	}
	r, err := validate.Bundle(f.bundle, m)
	if err != nil {
		return 0, err
	}
	if err := f.print(r, m); err != nil {
		return 0, err
	}
	if !r.Valid() {
		return exitFailure, nil
	}
	return 0, nil
}

// print writes the findings, and the plan when there is one. The plan has standard output to itself, but in JSON.
func (f *validateFlags) print(r *validate.Result, m *validate.Machine) error {
	var plan string
	if f.plan && r.Valid() {
		c, err := m.Plan(r.Spec, r.Bundle)
		if err != nil {
			return err
		}
		plan = c.String() + hook.Describe(r.Spec.Hooks)
	}
	if f.format == "json" {
		return r.WriteJSON(os.Stdout, strings.Split(strings.TrimSuffix(plan, "\n"), "\n"))
	}
	findings := io.Writer(os.Stdout)
	if f.plan {
		findings = os.Stderr
	}
	if err := r.WriteText(findings); err != nil {
		return err
	}
	_, err := fmt.Print(plan)
	return err
}
