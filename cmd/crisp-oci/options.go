// SPDX-License-Identifier: Apache-2.0

package main

import (
	"flag"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// options are the flags of a command: those of package flag, which runc's command line stands on too, with several names each.
type options struct {
	set     *flag.FlagSet
	help    []optionHelp
	primary map[string]string // the first name of each name
}

type optionHelp struct{ names, usage string }

func newOptions() *options {
	o := &options{set: flag.NewFlagSet("", flag.ContinueOnError), primary: map[string]string{}}
	o.set.SetOutput(io.Discard)
	o.set.Usage = func() {}
	return o
}

// add registers a flag under its names, "bundle, b". value is what stands behind them in the help. An empty usage hides the flag.
func (o *options) add(v flag.Value, names, value, usage string) {
	all := strings.Split(strings.ReplaceAll(names, " ", ""), ",")
	first := all[0]
	for i, n := range all {
		o.set.Var(v, n, usage)
		o.primary[n] = first
		dashes := "--"
		if len(n) == 1 {
			dashes = "-"
		}
		all[i] = dashes + n + value
	}
	if usage != "" {
		o.help = append(o.help, optionHelp{strings.Join(all, ", "), usage})
	}
}

func (o *options) string(p *string, names, value, usage string) {
	*p = value
	o.add((*stringValue)(p), names, " value", usage+given(value != "", strconv.Quote(value)))
}

func (o *options) bool(p *bool, names, usage string) { o.add((*boolValue)(p), names, "", usage) }

func (o *options) int(p *int, names string, value int, usage string) {
	*p = value
	o.add((*intValue)(p), names, " value", usage+given(usage != "", strconv.Itoa(value)))
}

func (o *options) strings(p *[]string, names, usage string) {
	o.add((*stringsValue)(p), names, " value", usage)
}

func given(is bool, value string) string {
	if !is {
		return ""
	}
	return " (default: " + value + ")"
}

// parse reads the flags, and returns the arguments and which flags were given. Unless ordered, flags may also stand behind arguments.
func (o *options) parse(args []string, ordered bool) (rest []string, given map[string]bool, err error) {
	for {
		before := args
		if err := o.set.Parse(args); err != nil {
			return nil, nil, err
		}
		args = o.set.Args()
		end := len(before) > len(args) && before[len(before)-len(args)-1] == "--"
		if ordered || end || len(args) == 0 {
			break
		}
		rest, args = append(rest, args[0]), args[1:]
	}
	given = map[string]bool{}
	o.set.Visit(func(f *flag.Flag) { given[o.primary[f.Name]] = true })
	return append(rest, args...), given, nil
}

type stringValue string

func (v *stringValue) Set(s string) error { *v = stringValue(s); return nil }
func (v *stringValue) String() string     { return "" }

type boolValue bool

func (v *boolValue) Set(s string) error {
	b, err := strconv.ParseBool(s)
	*v = boolValue(b)
	return err
}
func (v *boolValue) String() string   { return "" }
func (v *boolValue) IsBoolFlag() bool { return true }

type intValue int

func (v *intValue) Set(s string) error {
	n, err := strconv.ParseInt(s, 0, strconv.IntSize)
	*v = intValue(n)
	return err
}
func (v *intValue) String() string { return "" }

type stringsValue []string

func (v *stringsValue) Set(s string) error { *v = append(*v, s); return nil }
func (v *stringsValue) String() string     { return "" }

// usageError tells what is wrong with the command line, and how it is to be.
func usageError(w io.Writer, err error, help func(io.Writer)) int {
	fmt.Fprintf(w, "Incorrect Usage: %v\n\n", err)
	help(w)
	return exitFailure
}
