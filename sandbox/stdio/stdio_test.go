// SPDX-License-Identifier: Apache-2.0

package stdio

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

func TestOutputOverTheCapIsTakenAndDropped(t *testing.T) {
	b := &Capped{Max: 10}
	for _, s := range []string{"12345", "6789012", "x"} {
		if n, err := b.Write([]byte(s)); n != len(s) || err != nil {
			t.Errorf("Write = %d, %v", n, err)
		}
	}
	if string(b.Data) != "1234567890" {
		t.Errorf("kept %q", b.Data)
	}
}

func TestPipesDrainWithABoundWhenABackgroundProcessHoldsThem(t *testing.T) {
	p, err := New(false, true, false)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	var out bytes.Buffer
	copied := p.Collect(&out, nil)
	if _, err := p.Out.W.WriteString("before the end"); err != nil {
		t.Fatal(err)
	}
	start := time.Now() // the write end stays open, as in a process that was left behind
	p.Drain(copied)
	if took := time.Since(start); took > 10*DrainTime {
		t.Errorf("it took %s", took)
	}
	if out.String() != "before the end" {
		t.Errorf("output %q", out.String())
	}
}

func TestClientThatIsGoneDoesNotHoldUpTheProcess(t *testing.T) {
	from := strings.NewReader(strings.Repeat("x", 1<<20))
	Copy(failingWriter{}, from)
	if from.Len() != 0 {
		t.Errorf("%d bytes left", from.Len())
	}
}

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, bytes.ErrTooLarge }
