// SPDX-License-Identifier: Apache-2.0

package signals

import (
	"testing"

	"golang.org/x/sys/unix"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
)

func TestEverySignalOfTheCRIHasANumberAndComesBack(t *testing.T) {
	aliases := map[runtime.Signal]runtime.Signal{5: 4, 12: 1, 15: 11} // SIGCLD, SIGIOT, SIGPOLL
	for n := range runtime.Signal_name {
		s := runtime.Signal(n)
		if s == runtime.Signal_SIGNAL_RUNTIME_DEFAULT {
			continue
		}
		got, err := Stop(s, "SIGUSR1")
		if err != nil || got <= 0 {
			t.Errorf("%v: %d, %v", s, got, err)
			continue
		}
		want := s
		if a, ok := aliases[s]; ok {
			want = a
		}
		if back := CRI(got); back != want {
			t.Errorf("%v is %d, which is %v", s, got, back)
		}
	}
}

func TestStopSignalPrefersTheCRIThenTheImageThenTERM(t *testing.T) {
	for _, tt := range []struct {
		cri   runtime.Signal
		image string
		want  unix.Signal
	}{
		{0, "", unix.SIGTERM},
		{0, "SIGQUIT", unix.SIGQUIT},
		{0, "term", unix.SIGTERM},
		{0, "15", unix.SIGTERM},
		{0, "SIGRTMIN+3", 37},
		{0, "RTMAX-2", 62},
		{runtime.Signal_SIGNAL_SIGHUP, "SIGQUIT", unix.SIGHUP},
		{runtime.Signal_SIGNAL_SIGRTMINPLUS3, "", 37},
		{runtime.Signal_SIGNAL_SIGRTMAX, "", 64},
	} {
		if got, err := Stop(tt.cri, tt.image); err != nil || got != tt.want {
			t.Errorf("%v, %q: %d, %v; want %d", tt.cri, tt.image, got, err, tt.want)
		}
	}
}

func TestNonsenseStopSignalsAreRefused(t *testing.T) {
	for _, s := range []string{"0", "-1", "65", "SIGNOPE", "RTMIN+31", "RTMAX+1", "RTMIN+x", " 15"} {
		if got, err := Stop(0, s); err == nil {
			t.Errorf("%q = %d", s, got)
		}
	}
	if _, err := Stop(99, ""); err == nil {
		t.Error("99 was taken")
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"15", "SIGTERM", "RTMIN+3", "SIGRTMAX-30", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if got, err := Parse(s); err == nil && (got < 1 || got > sigRTMax) {
			t.Errorf("%q = %d", s, got)
		}
	})
}
