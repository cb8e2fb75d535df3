// SPDX-License-Identifier: Apache-2.0

package seccomp

import (
	"sort"
	"strconv"
	"strings"
	"sync"
)

// maxABIs is how many a machine has at most.
const maxABIs = 3

// A syscall is one row of a machine's table.
type syscall struct {
	name string
	nr   [maxABIs]int32 // by abi.column; -1: it has none there
	// socketCall and ipcCall are the first arguments by which socketcall(2) or ipc(2) reaches the call; 0: neither.
	socketCall, ipcCall uint8
}

// A table has every syscall that any machine has, sorted by name.
type table []syscall

// native is the table of the machine that this is compiled for. It is text until somebody wants it: most runs of a command line do not.
var native = sync.OnceValue(func() table { return parseTable(nativeTable) })

// parseTable reads the text that internal/gen writes: lines of a name, the numbers of the machine's ABIs or "-", and by which multiplexer the
// call is reached too:
//
//	accept 43 - 1073741867 socketcall 5
func parseTable(text string) table {
	t := make(table, 0, strings.Count(text, "\n"))
	for len(text) > 0 {
		var line string
		line, text, _ = strings.Cut(text, "\n")
		t = append(t, parseRow(line))
	}
	return t
}

func parseRow(line string) syscall {
	s := syscall{nr: [maxABIs]int32{-1, -1, -1}}
	var word string
	s.name, line, _ = strings.Cut(line, " ")
	for i := 0; line != ""; i++ {
		word, line, _ = strings.Cut(line, " ")
		switch word {
		case "-":
		case "socketcall":
			s.socketCall = uint8(number(line))
			return s
		case "ipc":
			s.ipcCall = uint8(number(line))
			return s
		default:
			s.nr[i] = number(word)
		}
	}
	return s
}

// number reads what the generator wrote, which a test has read before.
func number(word string) int32 {
	n, err := strconv.ParseInt(word, 10, 32)
	if err != nil {
		panic(err)
	}
	return int32(n)
}

// lookup returns the syscall of this name; nil when no architecture has one.
func (t table) lookup(name string) *syscall {
	i := sort.Search(len(t), func(i int) bool { return t[i].name >= name })
	if i == len(t) || t[i].name != name {
		return nil
	}
	return &t[i]
}

// number returns the ABI's number of the call.
func (a abi) number(s *syscall) (nr uint32, ok bool) {
	return uint32(s.nr[a.column]), s.nr[a.column] >= 0
}

// A multiplexer is a call that leads to many by its first argument.
type multiplexer struct{ socketcall, ipc *syscall }

func (t table) multiplexer() multiplexer {
	return multiplexer{socketcall: t.lookup("socketcall"), ipc: t.lookup("ipc")}
}

// way returns the multiplexer's number on the ABI and the argument by which it leads to the call.
func (m multiplexer) way(a abi, s *syscall) (nr uint32, call uint8, ok bool) {
	switch {
	case s.socketCall != 0:
		nr, ok = a.number(m.socketcall)
		return nr, s.socketCall, ok
	case s.ipcCall != 0:
		nr, ok = a.number(m.ipc)
		return nr, s.ipcCall, ok
	}
	return 0, 0, false
}
