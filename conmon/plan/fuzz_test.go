// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

var update = flag.Bool("update", false, "write the seeds of the C fuzzer anew")

// seeds are the plans that the fuzzers start from, here and in conmon/fuzz.
func seeds(t testing.TB) map[string][]byte {
	small := New()
	e := Make(OpExec, "")
	e.FD, e.Argv = small.File(), []string{"pause"}
	small.Add(e)
	long := New()
	e = Make(OpExec, "")
	e.Str[0], e.Argv, e.Env = "sh", []string{"sh", "-c", strings.Repeat("x", 300)}, []string{"", "A=", "B=" + strings.Repeat("y", 99)}
	for range 20 {
		s := Make(OpPrctl, "")
		s.Arg = [4]uint64{1, ^uint64(0), 1 << 63}
		s.OK = []unix.Errno{1, 2, 3}
		long.Add(s)
	}
	long.Steps[0].Skip = 18
	long.Add(e)
	out := map[string][]byte{}
	for name, p := range map[string]*Plan{"small": small, "long": long, "sample": sample()} {
		b, err := p.Encode()
		if err != nil {
			t.Fatal(err)
		}
		out[name] = b
	}
	return out
}

func TestSeedsOfTheCFuzzerAreFresh(t *testing.T) {
	dir := filepath.Join("..", "fuzz", "corpus", "plan")
	for name, b := range seeds(t) {
		path := filepath.Join(dir, name)
		if *update {
			if err := os.WriteFile(path, b, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, b) {
			t.Errorf("%s is stale (%v): go test ./conmon/plan -run Seeds -update", path, err)
		}
	}
}

// FuzzDecode checks that what Decode accepts is a fixed point: its encoding decodes to the same.
func FuzzDecode(f *testing.F) {
	for _, b := range seeds(f) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := Decode(b)
		if err != nil {
			return
		}
		_ = p.String()
		first, err := p.Encode()
		if err != nil {
			return // a plan that our own encoder would not make
		}
		q, err := Decode(first)
		if err != nil {
			t.Fatalf("own encoding: %v", err)
		}
		if second, err := q.Encode(); err != nil || !bytes.Equal(first, second) {
			t.Fatalf("encodings differ: %v", err)
		}
	})
}
