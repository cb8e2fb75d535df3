// SPDX-License-Identifier: Apache-2.0

package rdt

import (
	"fmt"
	"strconv"
	"strings"
)

// schemata are the lines of a file schemata by their resource, with the value of each domain:
//
//	MB:0=100;1=100
//	L3:0=7ff;1=7ff
//
// The kernel aligns the resources with blanks. Cache masks are hexadecimal, bandwidths decimal.
type schemata map[string]map[uint64]uint64

// parseSchemata reads such a file.
func parseSchemata(text string) (schemata, error) {
	all := schemata{}
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		resource, domains, err := parseSchema(line)
		if err != nil {
			return nil, err
		}
		all[resource] = domains
	}
	return all, nil
}

// parseSchema reads one line.
func parseSchema(line string) (resource string, domains map[uint64]uint64, err error) {
	resource, list, ok := strings.Cut(line, ":")
	if resource = strings.TrimSpace(resource); !ok || resource == "" {
		return "", nil, fmt.Errorf("%w: %q", ErrSchema, line)
	}
	domains = map[uint64]uint64{}
	for part := range strings.SplitSeq(strings.TrimSpace(list), ";") {
		domain, value, _ := strings.Cut(part, "=")
		d, err1 := strconv.ParseUint(strings.TrimSpace(domain), 10, 32)
		v, err2 := strconv.ParseUint(strings.TrimSpace(value), base(resource), 64)
		if _, twice := domains[d]; err1 != nil || err2 != nil || twice {
			return "", nil, fmt.Errorf("%w: %q", ErrSchema, line)
		}
		domains[d] = v
	}
	return resource, domains, nil
}

// base is that of a resource's values: all but bandwidths are masks.
func base(resource string) int {
	if resource == bandwidth || resource == "SMBA" {
		return 10
	}
	return 16
}

// bandwidth is the resource of memBwSchema.
const bandwidth = "MB"

// agrees says whether the class has what the line asks for; domains that it does not name are anybody's. The kernel rounds bandwidths
// up to a multiple of granularity.
func (s schemata) agrees(line string, granularity uint64) error {
	resource, domains, err := parseSchema(line)
	if err != nil {
		return err
	}
	for domain, want := range domains {
		have, ok := s[resource][domain]
		if rest := want; resource == bandwidth && granularity > 0 && rest%granularity != 0 {
			want += granularity - rest%granularity
		}
		if !ok || have != want {
			return fmt.Errorf("%w: %q is asked for", ErrMismatch, line)
		}
	}
	return nil
}
