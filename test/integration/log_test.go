// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"

	"crisp/test/cri"
	"crisp/test/images"
)

// loggedContainer runs a shell script and returns the container's ID and its log file.
func (n *node) loggedContainer(name, script string) (id, path string) {
	n.t.Helper()
	pod := n.logged(cri.Pod(name))
	n.must(os.MkdirAll(pod.LogDirectory, 0o755))
	ctr := cri.Logged(cri.Container("main", images.Busybox, "sh", "-c", script))
	return n.run(n.runPod(pod), pod, ctr), filepath.Join(pod.LogDirectory, ctr.LogPath)
}

func TestLogKeepsStreamsAndPartialLines(t *testing.T) {
	n := newNode(t)
	id, path := n.loggedContainer("logged", "echo one; echo two >&2; sleep 0.1; printf three")
	n.exited(id)
	got := readLog(t, path)
	slices.SortStableFunc(got, func(a, b logLine) int { return strings.Compare(b.stream, a.stream) })
	// The end of a stream inside a line is a partial record, or a full one: peers differ, and the text counts.
	want := []logLine{{"stdout", true, "one"}, {"stdout", got[len(got)-2].full, "three"}, {"stderr", true, "two"}}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestLongLineIsLoggedWhole(t *testing.T) {
	n := newNode(t)
	const length = 100_000
	id, path := n.loggedContainer("long", "head -c "+itoa(length)+" /dev/zero | tr '\\0' x; echo; echo end")
	n.exited(id)
	var text strings.Builder
	for _, l := range readLog(t, path) {
		text.WriteString(l.text)
		if l.full {
			text.WriteByte('\n')
		}
	}
	if want := strings.Repeat("x", length) + "\nend\n"; text.String() != want {
		t.Errorf("%d bytes in the log, want %d", text.Len(), len(want))
	}
}

func TestReopenedLogTakesWhatComesAfter(t *testing.T) {
	n := newNode(t)
	id, path := n.loggedContainer("rotated", "i=0; while :; do echo $i; i=$((i+1)); sleep 0.01; done")
	n.eventually("lines are logged", func() bool { return len(readLog(t, path)) > 3 })
	n.must(os.Rename(path, path+".1"))
	_, err := n.ReopenContainerLog(n.ctx, &runtime.ReopenContainerLogRequest{ContainerId: id})
	n.must(err)
	n.eventually("lines are logged again", func() bool { return len(readLog(t, path)) > 3 })
	n.must(n.Stop(n.ctx, id, 0))
	wantCounting(t, slices.Concat(readLog(t, path+".1"), readLog(t, path)))
}

// wantCounting fails unless the lines are 0, 1, 2 …: none lost, none doubled.
func wantCounting(t *testing.T, lines []logLine) {
	t.Helper()
	for i, l := range lines {
		if l.text != itoa(i) {
			t.Fatalf("line %d is %q", i, l.text)
		}
	}
}

func TestReopenOfAStoppedContainersLogMakesNoFileWhenItFails(t *testing.T) {
	n := newNode(t)
	id, path := n.loggedContainer("ended", "true")
	n.exited(id)
	n.must(os.Remove(path))
	_, err := n.ReopenContainerLog(n.ctx, &runtime.ReopenContainerLogRequest{ContainerId: id})
	if _, statErr := os.Stat(path); err != nil && statErr == nil {
		t.Errorf("%v, but there is a new file", err)
	}
}
