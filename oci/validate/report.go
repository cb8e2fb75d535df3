// SPDX-License-Identifier: Apache-2.0

package validate

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"crisp/oci"
)

// extensibility is the section about properties that the runtime spec does not have.
const extensibility = "config.md#extensibility"

// finding is one finding in JSON.
type finding struct {
	Severity string `json:"severity"`
	Scope    string `json:"scope"`
	Path     string `json:"path"`
	Section  string `json:"section"`
	Message  string `json:"message"`
}

// report is the result in JSON.
type report struct {
	Bundle   string    `json:"bundle"`
	Valid    bool      `json:"valid"` // no errors
	Errors   int       `json:"errors"`
	Warnings int       `json:"warnings"`
	Findings []finding `json:"findings"`
	Plan     []string  `json:"plan,omitempty"`
}

func (r *Result) report() report {
	all := report{Bundle: r.Bundle, Findings: []finding{}}
	for _, f := range r.sorted() {
		if f.Severity == oci.SeverityError {
			all.Errors++
		} else {
			all.Warnings++
		}
		all.Findings = append(all.Findings, finding{
			Severity: f.Severity.String(), Scope: f.Scope.String(), Path: f.Field, Section: section(f), Message: f.Reason,
		})
	}
	all.Valid = all.Errors == 0
	return all
}

// section is that of the field; one that the runtime spec does not have is spoken of elsewhere.
func section(f *oci.FieldError) string {
	if len(f.Reason) >= len(unknownField) && f.Reason[:len(unknownField)] == unknownField {
		return extensibility
	}
	return f.Section()
}

// Valid says whether there are no errors.
func (r *Result) Valid() bool { return r.Findings.Errors() == nil }

// WriteJSON writes the result, with the lines of the plan if there is one.
func (r *Result) WriteJSON(w io.Writer, plan []string) error {
	all := r.report()
	all.Plan = slices.DeleteFunc(plan, func(line string) bool { return line == "" })
	e := json.NewEncoder(w)
	e.SetIndent("", "\t")
	e.SetEscapeHTML(false)
	return e.Encode(all)
}

// WriteText writes one line for each finding, and a last one that counts them:
//
//	error    process.cwd: "tmp": not absolute (config.md#process)
//	warning  mounts[2].source: "data": no such file or directory (config.md#mounts), in this bundle
//	1 error, 1 warning
func (r *Result) WriteText(w io.Writer) error {
	all := r.report()
	where := map[string]string{"host": ", on this host", "bundle": ", in this bundle"}
	for _, f := range all.Findings {
		if _, err := fmt.Fprintf(w, "%-8s %s: %s (%s)%s\n", f.Severity, f.Path, f.Message, f.Section, where[f.Scope]); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "%s, %s\n", count(all.Errors, "error"), count(all.Warnings, "warning"))
	return err
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
