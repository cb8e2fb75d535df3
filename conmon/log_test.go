// SPDX-License-Identifier: Apache-2.0

package conmon

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestLogHoldsEveryKindOfLine(t *testing.T) {
	m := startMonitor(t)
	for name, c := range map[string]struct {
		script string
		want   []string
	}{
		"lines":                 {"echo one; echo; echo two >&2", []string{"stdout F one", "stdout F ", "stderr F two"}},
		"no newline at the end": {"printf 'a\\nb'", []string{"stdout F a", "stdout P b"}},
		"nothing":               {"true", nil},
		"only a newline":        {"echo", []string{"stdout F "}},
		"in pieces":             {"printf a; sleep 0.02; printf b; sleep 0.02; echo c", []string{"stdout F abc"}},
		"NUL and no UTF-8":      {"printf 'x\\000\\377\\n'", []string{"stdout F x\x00\xff"}},
	} {
		t.Run(name, func(t *testing.T) {
			k := m.create(c.script)
			k.run()
			got := k.records()
			if name == "lines" { // the two pipes have no common order
				got, c.want = sorted(got), sorted(c.want)
			}
			if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", c.want) {
				t.Errorf("log %q, want %q", got, c.want)
			}
		})
	}
}

func sorted(s []string) []string {
	out := make([]string, 0, len(s))
	for _, stream := range []string{"stdout", "stderr"} {
		for _, line := range s {
			if strings.HasPrefix(line, stream) {
				out = append(out, line)
			}
		}
	}
	return out
}

func TestLongLinesAreSplitAt16KiB(t *testing.T) {
	m := startMonitor(t)
	for _, c := range []struct {
		length int
		want   string // tags
	}{
		{16383, "F"}, {16384, "F"}, {16385, "PF"}, {2 * 16384, "PF"}, {2*16384 + 1, "PPF"}, {1 << 20, strings.Repeat("P", 63) + "F"},
	} {
		t.Run(fmt.Sprint(c.length), func(t *testing.T) {
			k := m.create(fmt.Sprintf("head -c %d /dev/zero | tr '\\0' x; echo; echo end", c.length))
			k.run()
			tags, total := "", 0
			got := k.records()
			for _, r := range got[:len(got)-1] {
				stream, rest, _ := strings.Cut(r, " ")
				tag, text, _ := strings.Cut(rest, " ")
				tags, total = tags+tag, total+len(text)
				if stream != "stdout" || len(text) > 16384 || strings.Trim(text, "x") != "" {
					t.Errorf("record %.40q of %d bytes", r, len(text))
				}
			}
			if tags != c.want || total != c.length || got[len(got)-1] != "stdout F end" {
				t.Errorf("tags %s, %d bytes", tags, total)
			}
		})
	}
}

func TestInterleavedStreamsLoseNothing(t *testing.T) {
	m := startMonitor(t)
	k := m.create("i=0; while [ $i -lt 2000 ]; do echo out $i; echo err $i >&2; i=$((i+1)); done")
	k.run()
	next := map[string]int{}
	for _, r := range k.records() {
		var stream, tag, word string
		var n int
		if _, err := fmt.Sscanf(r, "%s %s %s %d", &stream, &tag, &word, &n); err != nil || tag != "F" || stream != "std"+word || n != next[stream] {
			t.Fatalf("record %q, expected number %d", r, next[stream])
		}
		next[stream]++
	}
	if next["stdout"] != 2000 || next["stderr"] != 2000 {
		t.Errorf("records %v", next)
	}
}

func TestReopenedLogGetsWholeLines(t *testing.T) {
	m := startMonitor(t)
	r, w := pipe(t)
	k := m.create("cat", func(q *CreateRequest) { q.Stdin = true })
	if err := m.Attach(m.ctx, AttachRequest{ID: k.id, Stdin: r}); err != nil {
		t.Fatal(err)
	}
	k.start()
	fmt.Fprint(w, "first\nbegun ")
	m.eventually("the first line is logged", func() bool { return strings.Contains(k.readLog(), "first") })
	second := filepath.Join(k.exitDir, "1.log")
	f := openLog(t, second)
	defer f.Close()
	if err := m.ReopenLog(m.ctx, k.id, f); err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(w, "and ended\nlast\n")
	w.Close()
	m.eventually("the last line is logged", func() bool { b, _ := os.ReadFile(second); return strings.Contains(string(b), "last") })
	if err := m.CloseStdin(m.ctx, k.id); err != nil {
		t.Fatal(err)
	}
	k.wait()
	if got := k.records(); len(got) != 1 || got[0] != "stdout F first" {
		t.Errorf("old log %q", got)
	}
	k.log = second
	if got := k.records(); len(got) != 2 || got[0] != "stdout F begun and ended" || got[1] != "stdout F last" {
		t.Errorf("new log %q", got)
	}
	if err := m.ReopenLog(m.ctx, k.id, f); err == nil {
		t.Error("reopened the log of an exited container")
	}
}

func TestFullDiskNeitherStopsNorTearsAnything(t *testing.T) {
	needRoot(t)
	m := startMonitor(t)
	small := smallFilesystem(t, 256<<10)
	log := filepath.Join(small, "0.log")
	k := m.create("i=0; while [ $i -lt 300 ]; do printf '%04000d\\n' $i; i=$((i+1)); done; exit 6", func(q *CreateRequest) {
		q.Log = openLog(t, log)
		t.Cleanup(func() { q.Log.Close() })
	})
	if x := k.run(); x.Code != 6 {
		t.Errorf("exit %+v", x)
	}
	k.log = log
	got := k.records()
	if len(got) == 0 || len(got) >= 300 {
		t.Fatalf("%d records", len(got))
	}
	for i, r := range got {
		if r != fmt.Sprintf("stdout F %04000d", i) {
			t.Fatalf("record %d is %.40q, %d bytes", i, r, len(r))
		}
	}
	states, err := m.List(m.ctx)
	if want := uint64(300-len(got)) * 4001; err != nil || len(states) != 1 || states[0].Dropped != want {
		t.Errorf("states %+v, %v; want %d bytes dropped", states, err, want)
	}
}

// smallFilesystem mounts a tmpfs of a size in the test's own folder.
func smallFilesystem(t *testing.T, size int) string {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", size)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	return dir
}

func TestGrandchildrenMayWriteAfterTheExit(t *testing.T) {
	m := startMonitor(t)
	fifo := filepath.Join(m.dir, "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	k := m.create(fmt.Sprintf("(read x < %s; echo late) & echo early; exit 2", fifo))
	start := time.Now()
	if x := k.run(); x.Code != 2 {
		t.Errorf("exit %+v", x)
	}
	if d := time.Since(start); d > 5*time.Second {
		t.Errorf("exit was reported after %v", d)
	}
	if got := k.records(); len(got) != 1 || got[0] != "stdout F early" {
		t.Errorf("log at the exit %q", got)
	}
	if err := os.WriteFile(fifo, []byte("go\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	m.eventually("the late line is logged", func() bool { return strings.Contains(k.readLog(), "late") })
}

func TestContainerWithoutLogRuns(t *testing.T) {
	m := startMonitor(t)
	k := m.create("head -c 200000 /dev/zero; exit 1", func(q *CreateRequest) { q.Log, q.ExitDir = nil, nil })
	if x := k.run(); x.Code != 1 {
		t.Errorf("exit %+v", x)
	}
	if _, err := ReadExit(k.exitDir); err == nil {
		t.Error("there is an exit record")
	}
}
