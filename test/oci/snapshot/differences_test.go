// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
)

// A difference is an item of which not all runtimes show the same.
type difference struct {
	item    string
	shown   map[string]string // by runtime; a runtime that did not run the config shows nothing
	configs []string
	why     string
}

// absent is what a runtime shows that does not have the item.
const absent = "(none)"

// differences are the items of one config that differ. seen is by runtime.
func differences(config string, seen map[string]items) []difference {
	all := map[string]bool{}
	for _, s := range seen {
		for item := range s {
			all[item] = true
		}
	}
	var found []difference
	for _, item := range slices.Sorted(maps.Keys(all)) {
		d := difference{item: item, shown: map[string]string{}, configs: []string{config}}
		values := map[string]bool{}
		for runtime, s := range seen {
			v, ok := s[item]
			if !ok {
				v = absent
			}
			d.shown[runtime], values[v] = v, true
		}
		if len(values) > 1 {
			found = append(found, d)
		}
	}
	return found
}

// key tells differences apart that are not of the same kind.
func (d difference) key() string { return d.item + "\n" + d.values() }

// values are the lines of what is shown: runtimes that show the same share one.
func (d difference) values() string {
	by := map[string][]string{}
	for _, runtime := range []string{ours, "runc", "crun"} {
		if v, ok := d.shown[runtime]; ok {
			by[v] = append(by[v], runtime)
		}
	}
	var lines []string
	for v, runtimes := range by {
		lines = append(lines, "\t"+strings.Join(runtimes, " ")+": "+v+"\n")
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}

// merge puts differences of the same kind together.
func merge(all []difference) map[string]*difference {
	merged := map[string]*difference{}
	for _, d := range all {
		if m := merged[d.key()]; m != nil {
			m.configs = append(m.configs, d.configs...)
		} else {
			merged[d.key()] = &d
		}
	}
	return merged
}

// A list is a file of differences: what stands at its top, with a reason in each line that begins with @NAME; then one paragraph each:
//
//	ITEM
//		configs: NAME…
//		RUNTIME…: VALUE
//		why: @NAME or words
type list struct {
	top     string
	reasons map[string]string
	entries []difference
}

func readList(path string) (*list, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return parseList(string(text))
}

func parseList(text string) (*list, error) {
	l := &list{reasons: map[string]string{}}
	for i, paragraph := range strings.Split(strings.TrimSpace(text), "\n\n") {
		if i == 0 {
			l.top = paragraph
			for line := range strings.SplitSeq(paragraph, "\n") {
				if name, reason, ok := strings.Cut(line, " "); ok && strings.HasPrefix(name, "@") {
					l.reasons[name] = reason
				}
			}
			continue
		}
		d, err := parseDifference(paragraph)
		if err != nil {
			return nil, err
		}
		l.entries = append(l.entries, d)
	}
	return l, nil
}

func parseDifference(paragraph string) (difference, error) {
	item, rest, _ := strings.Cut(paragraph, "\n")
	d := difference{item: item, shown: map[string]string{}}
	for line := range strings.SplitSeq(rest, "\n") {
		names, value, ok := strings.Cut(strings.TrimPrefix(line, "\t"), ": ")
		if !ok || !strings.HasPrefix(line, "\t") {
			return d, fmt.Errorf("%s: the line %q is none of a difference", item, line)
		}
		switch names {
		case "configs":
			d.configs = strings.Fields(value)
		case "why":
			d.why = value
		default:
			for runtime := range strings.FieldsSeq(names) {
				d.shown[runtime] = value
			}
		}
	}
	return d, nil
}

func (l *list) String() string {
	var b strings.Builder
	b.WriteString(l.top + "\n")
	for _, d := range l.entries {
		fmt.Fprintf(&b, "\n%s\n\tconfigs: %s\n%s\twhy: %s\n", d.item, strings.Join(d.configs, " "), d.values(), d.why)
	}
	return b.String()
}

// update makes the list one of what was found; known reasons stay.
func (l *list) update(found map[string]*difference) {
	why := map[string]string{}
	for _, d := range l.entries {
		why[d.key()] = d.why
	}
	l.entries = nil
	for _, key := range slices.Sorted(maps.Keys(found)) {
		d := *found[key]
		if d.why = why[key]; d.why == "" {
			d.why = "?"
		}
		l.entries = append(l.entries, d)
	}
}

// reasoned says whether a reason is one: words, or names of what stands at the top.
func (l *list) reasoned(why string) bool {
	for word := range strings.FieldsSeq(why) {
		if strings.HasPrefix(word, "@") && l.reasons[word] == "" {
			return false
		}
	}
	return why != "" && why != "?"
}

// compare holds the list against what was found in some configs, and returns what is wrong.
func (l *list) compare(found map[string]*difference, configs []string) []string {
	var wrong []string
	listed := map[string]bool{}
	for _, d := range l.entries {
		listed[d.key()] = true
		want := slices.DeleteFunc(slices.Clone(d.configs), func(c string) bool { return !slices.Contains(configs, c) })
		var got []string
		if f := found[d.key()]; f != nil {
			got = f.configs
		}
		for _, c := range want {
			if !slices.Contains(got, c) {
				wrong = append(wrong, fmt.Sprintf("%s: listed, and not so any more: %s\n%s", c, d.item, d.values()))
			}
		}
		for _, c := range got {
			if !slices.Contains(want, c) {
				wrong = append(wrong, fmt.Sprintf("%s: not listed of this config: %s\n%s", c, d.item, d.values()))
			}
		}
		if !l.reasoned(d.why) {
			wrong = append(wrong, fmt.Sprintf("no reason is given: %s\n%s", d.item, d.values()))
		}
	}
	for key, d := range found {
		if !listed[key] {
			wrong = append(wrong, fmt.Sprintf("%s: not listed: %s\n%s", strings.Join(d.configs, " "), d.item, d.values()))
		}
	}
	slices.Sort(wrong)
	return wrong
}
