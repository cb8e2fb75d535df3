// SPDX-License-Identifier: Apache-2.0

package validate

import (
	"cmp"
	"path/filepath"
	"slices"

	"crisp/oci"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// A Result is what was found about a bundle.
type Result struct {
	Bundle   string // absolute
	Spec     *specs.Spec
	Findings oci.Findings
}

// Bundle says all there is to say about a bundle. With a machine nil nothing is said about this one, nor about files.
func Bundle(dir string, m *Machine) (*Result, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	b, err := read(dir)
	if err != nil {
		return nil, err
	}
	r := &Result{Bundle: dir}
	r.Spec, r.Findings = Decode(b)
	if r.Spec == nil {
		if len(r.Findings) == 0 { // "null"
			r.Findings = oci.Check(nil)
		}
		return r, nil
	}
	r.add(oci.Check(r.Spec))
	valid := r.Findings.Errors() == nil
	if m == nil {
		return r, nil
	}
	r.add(checkFiles(dir, r.Spec))
	if valid {
		r.add(m.check(r.Spec))
	}
	return r, nil
}

// add adds findings but those that say again that a field is wrong or missing.
func (r *Result) add(more oci.Findings) {
	for _, f := range more {
		i := slices.IndexFunc(r.Findings, func(o *oci.FieldError) bool { return o.Field == f.Field && o.Scope == f.Scope })
		switch {
		case i < 0:
			r.Findings = append(r.Findings, f)
		case r.Findings[i].Severity == f.Severity && (r.Findings[i].Reason == "missing" || r.Findings[i].Reason == f.Reason):
			r.Findings[i] = f
		case r.Findings[i].Severity == f.Severity && f.Reason == "missing":
		default:
			r.Findings = append(r.Findings, f)
		}
	}
}

// sorted are the findings by scope, errors first, else as they were found.
func (r *Result) sorted() oci.Findings {
	all := slices.Clone(r.Findings)
	slices.SortStableFunc(all, func(a, b *oci.FieldError) int {
		return cmp.Or(cmp.Compare(a.Scope, b.Scope), cmp.Compare(a.Severity, b.Severity))
	})
	return all
}
