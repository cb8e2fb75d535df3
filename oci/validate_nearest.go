// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"iter"
	"strconv"
	"strings"
)

// maxTypo is how many letters of a typo are looked at.
const maxTypo = 64

// Nearest finds the word that was probably meant: the one with the fewest changes, of which there may be one for three letters.
func Nearest(word string, words iter.Seq[string]) (string, bool) {
	if word == "" || len(word) > maxTypo {
		return "", false
	}
	best, least := "", len(word)/3+2
	for w := range words {
		d := distance(strings.ToLower(word), strings.ToLower(w))
		if d < least || d == least && best != "" && w < best {
			best, least = w, d
		}
	}
	return best, best != ""
}

// didYouMean is the end of a sentence about a word that is unknown.
func didYouMean(word string, words iter.Seq[string]) string {
	w, ok := Nearest(word, words)
	if !ok {
		return ""
	}
	return "; did you mean " + strconv.Quote(w) + "?"
}

// distance is how many letters to change, drop, add, or swap with their neighbour make b of a (restricted Damerau-Levenshtein).
func distance(a, b string) int {
	if len(b) > 2*maxTypo {
		return len(b)
	}
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := last[j-1]
			if a[i-1] != b[j-1] {
				change++
			}
			row[j] = min(change, last[j]+1, row[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
