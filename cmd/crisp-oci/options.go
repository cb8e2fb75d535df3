// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// options are the flags of a command, by the rules of package flag, which runc's command line stands on too, with several names each. What
// they say of themselves is put together when somebody asks for it: a command line is read for each container.
type options struct{ all []option }

// An option is one flag.
type option struct {
	value        value
	isFlag       bool   // it needs no word
	names        string // "bundle, b"
	placeholder  string // behind the names in the help
	usage        string // "": not in the help
	defaultValue string // "": not told
}

// A value is what a flag sets.
type value interface{ Set(string) error }

// errHelp: somebody asks for help.
var errHelp = errors.New("help requested")

func newOptions() *options { return &options{} }

// add registers a flag under its names, "bundle, b". placeholder is what stands behind them in the help. An empty usage hides the flag.
func (o *options) add(v value, names, placeholder, usage string) *option {
	o.all = append(o.all, option{value: v, names: names, placeholder: placeholder, usage: usage})
	return &o.all[len(o.all)-1]
}

type optionHelp struct{ names, usage string }

// help is the flags that are to be shown.
func (o *options) help() []optionHelp {
	var rows []optionHelp
	for i := range o.all {
		if p := &o.all[i]; p.usage != "" {
			rows = append(rows, p.help())
		}
	}
	return rows
}

func (p *option) help() optionHelp {
	var names []string
	for name := range strings.SplitSeq(p.names, ", ") {
		dashes := "--"
		if len(name) == 1 {
			dashes = "-"
		}
		names = append(names, dashes+name+p.placeholder)
	}
	usage := p.usage
	if p.defaultValue != "" {
		usage += " (default: " + p.defaultValue + ")"
	}
	return optionHelp{strings.Join(names, ", "), usage}
}

// find returns the option with a name, and its first name.
func (o *options) find(name string) (*option, string) {
	for i := range o.all {
		first, more, _ := strings.Cut(o.all[i].names, ", ")
		if name == first {
			return &o.all[i], first
		}
		for more != "" {
			var other string
			if other, more, _ = strings.Cut(more, ", "); name == other {
				return &o.all[i], first
			}
		}
	}
	return nil, ""
}

func (o *options) string(p *string, names, value, usage string) {
	*p = value
	f := o.add((*stringValue)(p), names, " value", usage)
	if value != "" {
		f.defaultValue = `"` + value + `"`
	}
}

func (o *options) bool(p *bool, names, usage string) {
	o.add((*boolValue)(p), names, "", usage).isFlag = true
}

func (o *options) int(p *int, names string, value int, usage string) {
	*p = value
	o.add((*intValue)(p), names, " value", usage).defaultValue = strconv.Itoa(value)
}

func (o *options) strings(p *[]string, names, usage string) {
	o.add((*stringsValue)(p), names, " value", usage)
}

// parse reads the flags, and returns the arguments and which flags were given, by their first names. Unless ordered, flags may also
// stand behind arguments.
func (o *options) parse(args []string, ordered bool) (rest []string, given map[string]bool, err error) {
	given = map[string]bool{}
	for len(args) > 0 {
		word := args[0]
		if len(word) < 2 || word[0] != '-' {
			if ordered {
				break
			}
			rest, args = append(rest, word), args[1:]
			continue
		}
		args = args[1:]
		if word == "--" {
			break
		}
		if args, err = o.take(word, args, given); err != nil {
			return nil, nil, err
		}
	}
	return append(rest, args...), given, nil
}

// take reads one flag, whose value may be the next word. It returns the words that are left.
func (o *options) take(word string, args []string, given map[string]bool) ([]string, error) {
	name := strings.TrimPrefix(word[1:], "-")
	if name == "" || name[0] == '-' || name[0] == '=' {
		return nil, fmt.Errorf("bad flag syntax: %s", word)
	}
	name, text, hasText := strings.Cut(name, "=")
	p, first := o.find(name)
	switch {
	case p == nil && (name == "help" || name == "h"):
		return nil, errHelp
	case p == nil:
		return nil, fmt.Errorf("flag provided but not defined: -%s", name)
	case p.isFlag:
		if !hasText {
			text = "true"
		}
		if err := p.value.Set(text); err != nil {
			return nil, fmt.Errorf("invalid boolean value %q for -%s: %w", text, name, err)
		}
		given[first] = true
		return args, nil
	case !hasText && len(args) == 0:
		return nil, fmt.Errorf("flag needs an argument: -%s", name)
	case !hasText:
		text, args = args[0], args[1:]
	}
	if err := p.value.Set(text); err != nil {
		return nil, fmt.Errorf("invalid value %q for flag -%s: %w", text, name, err)
	}
	given[first] = true
	return args, nil
}

type stringValue string

func (v *stringValue) Set(s string) error { *v = stringValue(s); return nil }

type boolValue bool

func (v *boolValue) Set(s string) error {
	b, err := strconv.ParseBool(s)
	*v = boolValue(b)
	return err
}

type intValue int

func (v *intValue) Set(s string) error {
	n, err := strconv.ParseInt(s, 0, strconv.IntSize)
	*v = intValue(n)
	return err
}

type stringsValue []string

func (v *stringsValue) Set(s string) error { *v = append(*v, s); return nil }

// usageError tells what is wrong with the command line, and how it is to be.
func usageError(w io.Writer, err error, help func(io.Writer)) int {
	fmt.Fprintf(w, "Incorrect Usage: %v\n\n", err)
	help(w)
	return exitFailure
}
