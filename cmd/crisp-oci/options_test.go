// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"flag"
	"io"
	"reflect"
	"strconv"
	"strings"
	"testing"
)

// flagged is what the flags of a test were set to.
type flagged struct {
	Bundle string
	Detach bool
	Count  int
	Env    []string
}

func (f *flagged) options() *options {
	o := newOptions()
	o.string(&f.Bundle, "bundle, b", "", "the bundle")
	o.bool(&f.Detach, "detach, d", "detach")
	o.int(&f.Count, "count", 3, "how many")
	o.strings(&f.Env, "env, e", "")
	return o
}

// flagValue makes a value one of package flag.
type flagValue struct{ *option }

func (flagValue) String() string       { return "" }
func (v flagValue) Set(s string) error { return v.value.Set(s) }
func (v flagValue) IsBoolFlag() bool   { return v.isFlag }

// byFlag is package flag's reading of the same.
func byFlag(f *flagged, args []string) ([]string, map[string]bool, error) {
	set := flag.NewFlagSet("", flag.ContinueOnError)
	set.SetOutput(io.Discard)
	first := map[string]string{}
	o := f.options()
	for i := range o.all {
		p := &o.all[i]
		for name := range strings.SplitSeq(p.names, ", ") {
			set.Var(flagValue{p}, name, "")
			first[name], _, _ = strings.Cut(p.names, ", ")
		}
	}
	if err := set.Parse(args); err != nil {
		return nil, nil, err
	}
	given := map[string]bool{}
	set.Visit(func(f *flag.Flag) { given[first[f.Name]] = true })
	return set.Args(), given, nil
}

// compareFlags holds options against package flag, up to the first argument.
func compareFlags(t *testing.T, args []string) {
	t.Helper()
	var f, g flagged
	rest, given, err := f.options().parse(args, true)
	wantRest, wantGiven, wantErr := byFlag(&g, args)
	if errors.Is(wantErr, flag.ErrHelp) {
		wantErr = errHelp
	}
	if (err == nil) != (wantErr == nil) || err != nil && err.Error() != wantErr.Error() {
		t.Fatalf("%q: %v, want %v", args, err, wantErr)
	}
	if err == nil && (!reflect.DeepEqual(f, g) || len(rest)+len(wantRest) > 0 && !reflect.DeepEqual(rest, wantRest) || !reflect.DeepEqual(given, wantGiven)) {
		t.Fatalf("%q: %+v %q %v, want %+v %q %v", args, f, rest, given, g, wantRest, wantGiven)
	}
}

var lines = []string{
	"", "a", "-b x a", "--bundle x -d a -d", "-bundle=x --detach=false a", "--count 0x10", "--count x", "--count", "-e a -e b=c -- -e d", "-- a", "- a",
	"--none", "-h", "--help", "---b", "-=x", "--detach=maybe", "-b", "-b --", "--b= a", "-db x", "--bundle=a=b", "--count=", "-d=", "--h=1",
}

func TestOptionsAreThoseOfPackageFlag(t *testing.T) {
	for _, line := range lines {
		compareFlags(t, strings.Fields(line))
	}
}

func FuzzOptions(f *testing.F) {
	for _, line := range lines {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) { compareFlags(t, strings.Split(line, " ")) })
}

func TestFlagsMayStandBehindArguments(t *testing.T) {
	for _, k := range []struct {
		line, rest string
		detach     bool
	}{{"c1 --detach x", "c1 x", true}, {"c1 -- --detach", "c1 --detach", false}, {"-d c1 -b x", "c1", true}, {"c1 -", "c1 -", false}} {
		var f flagged
		rest, _, err := f.options().parse(strings.Fields(k.line), false)
		if err != nil || strings.Join(rest, " ") != k.rest || f.Detach != k.detach {
			t.Errorf("%q: %q, %+v, %v", k.line, rest, f, err)
		}
	}
}

func TestHelpOfOptions(t *testing.T) {
	var got []string
	for _, r := range (&flagged{}).options().help() {
		got = append(got, r.names+": "+r.usage)
	}
	want := []string{"--bundle value, -b value: the bundle", "--detach, -d: detach", "--count value: how many (default: " + strconv.Itoa(3) + ")"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%q", got)
	}
}
