// SPDX-License-Identifier: Apache-2.0

package oci

import "iter"

// A table is a small map that is there when the program starts: a map would be made then, by every crisp-oci, which looks into few of them.
type table[K comparable, V any] []struct {
	key   K
	value V
}

// find returns the value of a key.
func (t table[K, V]) find(key K) (value V, ok bool) {
	for i := range t {
		if t[i].key == key {
			return t[i].value, true
		}
	}
	return value, false
}

// get returns the value of a key; the zero value without one.
func (t table[K, V]) get(key K) V {
	value, _ := t.find(key)
	return value
}

// all is the keys and values in their order.
func (t table[K, V]) all() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		for i := range t {
			if !yield(t[i].key, t[i].value) {
				return
			}
		}
	}
}

// keys is the keys in their order.
func (t table[K, V]) keys() iter.Seq[K] {
	return func(yield func(K) bool) {
		for key := range t.all() {
			if !yield(key) {
				return
			}
		}
	}
}
