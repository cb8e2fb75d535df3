// SPDX-License-Identifier: Apache-2.0

package stack

import (
	"archive/tar"
	"fmt"
	"maps"
	"math/rand/v2"
	"path"
	"slices"
	"strings"

	"crisp/image/internal/tartest"
)

// model is what applying layers one after the other to one tree gives, by the words of the image-spec: the oracle for stacks of layers
// that were unpacked apart.
type model map[string]node

type node struct {
	kind byte // 'd', 'f'
	mode int64
	body string
}

func (m model) remove(p string) {
	delete(m, p)
	m.empty(p)
}

func (m model) empty(dir string) {
	for q := range m {
		if strings.HasPrefix(q, dir+"/") {
			delete(m, q)
		}
	}
}

func (m model) makeParents(p string) {
	for i := 1; i < len(p); i++ {
		if p[i] == '/' {
			if n, ok := m[p[:i]]; !ok || n.kind != 'd' {
				m.remove(p[:i])
				m[p[:i]] = node{kind: 'd', mode: 0o755}
			}
		}
	}
}

// apply applies a layer: first what it removes from those below, then what it adds.
func (m model) apply(entries []tartest.Entry) {
	for _, e := range entries {
		dir, base := path.Split(e.Name)
		dir = strings.TrimSuffix(dir, "/")
		if base == ".wh..wh..opq" {
			m.empty(dir)
		} else if name, ok := strings.CutPrefix(base, ".wh."); ok {
			m.remove(path.Join(dir, name))
		}
	}
	for _, e := range entries {
		p := strings.TrimSuffix(e.Name, "/")
		m.makeParents(p)
		switch base := path.Base(p); {
		case strings.HasPrefix(base, ".wh."):
		case strings.HasSuffix(e.Name, "/"):
			if m[p].kind != 'd' {
				m.remove(p)
			}
			m[p] = node{kind: 'd', mode: e.Mode}
		case e.Type == tar.TypeLink:
			n := m[e.Link]
			m.remove(p)
			m[p] = n
		default:
			m.remove(p)
			m[p] = node{kind: 'f', mode: e.Mode, body: e.Body}
		}
	}
}

func (m model) lines() []string {
	var out []string
	for p, n := range m {
		out = append(out, line(p, n))
	}
	slices.Sort(out)
	return out
}

func line(p string, n node) string { return fmt.Sprintf("%c %s %o %q", n.kind, p, n.mode, n.body) }

// randomLayer makes entries over few names, so that they get in each other's way.
func randomLayer(r *rand.Rand, below model) []tartest.Entry {
	name := func() string {
		parts := make([]string, 1+r.IntN(3))
		for i := range parts {
			parts[i] = string(rune('a' + r.IntN(3)))
		}
		return strings.Join(parts, "/")
	}
	modes := []int64{0o700, 0o755, 0o750, 0o711}
	var out []tartest.Entry
	for range r.IntN(8) {
		p := name()
		switch r.IntN(10) {
		case 0, 1, 2:
			out = append(out, tartest.Entry{Name: p + "/", Mode: modes[r.IntN(4)]})
		case 3:
			dir, base := path.Split(p)
			out = append(out, tartest.Entry{Name: dir + ".wh." + base})
		case 4:
			out = append(out, tartest.Entry{Name: p + "/.wh..wh..opq"})
		case 5:
			if files := slices.Sorted(maps.Keys(below)); len(files) > 0 {
				if q := files[r.IntN(len(files))]; below[q].kind == 'f' && !strings.HasPrefix(p, q+"/") {
					out = append(out, tartest.Entry{Name: p, Type: tar.TypeLink, Link: q})
				}
			}
		default:
			out = append(out, tartest.Entry{Name: p, Mode: modes[r.IntN(4)], Body: fmt.Sprint(r.IntN(1000))})
		}
	}
	return out
}
