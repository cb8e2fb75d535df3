// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"strconv"
	"strings"
)

// The forms of words are read by hand: package regexp would cost every start of crisp-oci.

// parseVersion reads a version of the form of semver.org 2.0.0: 1.2.3, 1.2.3-rc.1+build.
func parseVersion(s string) (major, minor int, ok bool) {
	s, build, hasBuild := strings.Cut(s, "+")
	core, pre, hasPre := strings.Cut(s, "-")
	numbers := strings.Split(core, ".")
	ok = len(numbers) == 3 && (!hasBuild || identifiers(build, false)) && (!hasPre || identifiers(pre, true))
	for _, n := range numbers {
		ok = ok && len(n) < 10 && plainNumber(n)
	}
	if !ok {
		return 0, 0, false
	}
	major, _ = strconv.Atoi(numbers[0])
	minor, _ = strconv.Atoi(numbers[1])
	return major, minor, true
}

// identifiers reads the parts behind a dash or plus: letters, digits and dashes, between dots. In front of a build, numbers have no zero before.
func identifiers(s string, plain bool) bool {
	for part := range strings.SplitSeq(s, ".") {
		if part == "" || !consists(part, alphanumeric+"-") || plain && consists(part, digits) && !plainNumber(part) {
			return false
		}
	}
	return true
}

const (
	digits       = "0123456789"
	letters      = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	alphanumeric = letters + digits
)

// plainNumber: digits, and no zero before others.
func plainNumber(s string) bool {
	return s != "" && consists(s, digits) && (s == "0" || s[0] != '0')
}

// consists says whether a word has these letters only.
func consists(s, of string) bool { return strings.Trim(s, of) == "" }

// reverseDomain is the form of names of annotations: com.example.key, with slashes too.
func reverseDomain(s string) bool {
	first, rest, ok := strings.Cut(s, ".")
	if !ok || first == "" || !strings.Contains(letters, first[:1]) || !consists(first, alphanumeric+"-") {
		return false
	}
	for part := range strings.SplitSeq(rest, ".") {
		if part == "" || !consists(part, alphanumeric+"_/-") {
			return false
		}
	}
	return true
}

// hugepageSize: 64KB, 2MB, 1GB.
func hugepageSize(s string) bool {
	number, ok := strings.CutSuffix(s, "B")
	if !ok || number == "" {
		return false
	}
	n := number[:len(number)-1]
	return strings.Contains("KMG", number[len(number)-1:]) && plainNumber(n) && n != "0"
}
