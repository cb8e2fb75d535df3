// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"math"
	"strconv"
	"strings"
)

// number reads a decimal number into a field of its own size.
func number[T int64 | uint64 | uint16](s string, field **T) error {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return err
	}
	v := T(n)
	if int64(v) != n || (n < 0) != (v < 0) {
		return strconv.ErrRange
	}
	*field = &v
	return nil
}

var errSize = errors.New("not a size")

// size reads bytes, with one of the units that docker takes: 64m, 64MB, 1.5g; -1 is no limit.
func size(s string, field **int64) error {
	n, err := parseSize(s)
	if err == nil {
		*field = &n
	}
	return err
}

func parseSize(s string) (int64, error) {
	if s == "-1" {
		return -1, nil
	}
	text := strings.TrimSuffix(strings.TrimSuffix(strings.ToLower(s), "b"), "i")
	shift := 0
	if i := strings.IndexAny(text, "kmgtp"); i >= 0 && i == len(text)-1 {
		shift = 10 * (1 + strings.IndexByte("kmgtp", text[i]))
		text = text[:i]
	}
	f, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	if err != nil || f < 0 || math.IsNaN(f) {
		return 0, errSize
	}
	if f = math.Ldexp(f, shift); f >= math.MaxInt64 {
		return 0, strconv.ErrRange
	}
	return int64(f), nil
}
