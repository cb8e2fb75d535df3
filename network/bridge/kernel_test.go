// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"net/netip"

	"github.com/google/nftables"
)

// portsInKernel gives the comments of all elements of the table's maps.
func (l *lab) portsInKernel() []string {
	l.Helper()
	c, err := nftables.New()
	if err != nil {
		l.Fatal(err)
	}
	var comments []string
	for _, m := range newPortMaps(l.nat.table()).all() {
		elements, err := c.GetSetElements(m.set)
		if err != nil {
			l.Fatal(err)
		}
		for _, e := range elements {
			comments = append(comments, e.Comment)
		}
	}
	return comments
}

func ipv4(s string) netip.Prefix { return netip.MustParsePrefix(s) }
