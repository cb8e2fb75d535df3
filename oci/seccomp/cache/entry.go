// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"encoding/binary"
	"runtime"
	"strconv"

	"crisp/oci/seccomp"
)

// A Key names the program of one profile: it is the text of the profile, behind the version of the compiler and its machine.
type Key string

// KeyOf returns the key of a profile as it stands in config.json.
func KeyOf(raw []byte) Key {
	return Key("crisp seccomp " + strconv.Itoa(seccomp.Version) + " " + runtime.GOARCH + "\n" + string(raw))
}

// name is the entry's file. That another key has the same does no harm.
func (k Key) name() string { return strconv.FormatUint(hash(string(k)), 16) }

// hash is FNV-1a of 64 bits, with words of eight bytes in the machine's order, and of one byte at the end. Package crypto/sha256 costs a start
// of the program a twentieth of a millisecond and 300 KB, and what is to be found here is what crashes leave, not what somebody
// has thought out: who could do that could write a good hash too.
func hash[T string | []byte](text T) uint64 {
	const offset, prime = 14695981039346656037, 1099511628211
	h := uint64(offset)
	for ; len(text) >= 8; text = text[8:] {
		word := uint64(text[0]) | uint64(text[1])<<8 | uint64(text[2])<<16 | uint64(text[3])<<24 |
			uint64(text[4])<<32 | uint64(text[5])<<40 | uint64(text[6])<<48 | uint64(text[7])<<56
		h = (h ^ word) * prime
		h ^= h >> 32 // a word's upper bits would reach only the hash's otherwise
	}
	for i := range len(text) {
		h = (h ^ uint64(text[i])) * prime
	}
	return h
}

// An entry in the machine's byte order:
//
//	offset  bytes
//	0       8      magic
//	8       8      hash of all that follows
//	16      8      flags
//	24      4      instructions, of 8 bytes each
//	28      4      listener: 0 none, 1 is sent, 2 is taken
//	32      4      bytes of its path
//	36      4      bytes of its metadata
//	40      4      bytes of the key
//	44      4      0
//	48             instructions, path, metadata, key
const (
	magic      = "crispbp2"
	hashOffset = len(magic)
	bodyOffset = hashOffset + 8
	headerSize = bodyOffset + 32

	sent, taken     = 1, 2
	maxInstructions = 4096 // BPF_MAXINSNS
	instructionSize = 8
	maxEntry        = 256 << 10 // bytes; a profile that is larger, or a listener with more metadata, is not kept
)

// encode returns the entry of a program; nil when it is too large for one.
func encode(k Key, p seccomp.Program) []byte {
	var l seccomp.Listener
	var listens int
	if p.Listener != nil {
		if l, listens = *p.Listener, sent; l.ByWrite {
			listens = taken
		}
	}
	size := headerSize + len(p.Bytes) + len(l.Path) + len(l.Metadata) + len(k)
	if size > maxEntry {
		return nil
	}
	b := make([]byte, bodyOffset, size)
	copy(b, magic)
	b = binary.NativeEndian.AppendUint64(b, p.Flags)
	for _, n := range [...]int{len(p.Bytes) / instructionSize, listens, len(l.Path), len(l.Metadata), len(k), 0} {
		b = binary.NativeEndian.AppendUint32(b, uint32(n))
	}
	b = append(b, p.Bytes...)
	b = append(b, l.Path...)
	b = append(b, l.Metadata...)
	b = append(b, k...)
	seal(b)
	return b
}

// seal sets the hash.
func seal(b []byte) { binary.NativeEndian.PutUint64(b[hashOffset:], hash(b[bodyOffset:])) }

// decode reads an entry. The program shares its memory. Not ok: it is none, or not of this key.
func decode(k Key, b []byte) (p seccomp.Program, ok bool) {
	if len(b) < headerSize || len(b) > maxEntry || string(b[:hashOffset]) != magic ||
		binary.NativeEndian.Uint64(b[hashOffset:]) != hash(b[bodyOffset:]) {
		return seccomp.Program{}, false
	}
	word := func(i int) int { return int(binary.NativeEndian.Uint32(b[bodyOffset+8+4*i:])) }
	instructions, listens, path, metadata, key := word(0), word(1), word(2), word(3), word(4)
	if instructions == 0 || instructions > maxInstructions || listens > taken || path > maxEntry || metadata > maxEntry || key != len(k) ||
		word(5) != 0 || listens == 0 && path+metadata > 0 || len(b) != headerSize+instructionSize*instructions+path+metadata+key ||
		string(b[len(b)-key:]) != string(k) {
		return seccomp.Program{}, false
	}
	rest := b[headerSize : len(b)-key]
	p.Flags = binary.NativeEndian.Uint64(b[bodyOffset:])
	p.Bytes, rest = rest[:instructionSize*instructions:instructionSize*instructions], rest[instructionSize*instructions:]
	if listens != 0 {
		p.Listener = &seccomp.Listener{Path: string(rest[:path]), Metadata: string(rest[path:]), ByWrite: listens == taken}
	}
	return p, true
}
