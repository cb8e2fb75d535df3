// SPDX-License-Identifier: Apache-2.0

package image

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"crisp/image/internal/registrytest"
)

func TestPullsTellHowFarTheyAre(t *testing.T) {
	reg := registrytest.New(t)
	reg.Push(t, "app", app(t, "hello"), "v1")
	var blobs atomic.Int32
	held, release := make(chan struct{}), make(chan struct{})
	reg.Intercept = func(_ http.ResponseWriter, q *http.Request) bool {
		if strings.Contains(q.URL.Path, "/blobs/") && blobs.Add(1) == 2 { // the first is the configuration
			close(held)
			<-release
		}
		return false
	}
	s := open(t, t.TempDir())
	if p := s.Pulls(); len(p) > 0 {
		t.Errorf("before the pull: %+v", p)
	}
	pulled := make(chan error)
	go func() {
		_, err := s.Pull(t.Context(), PullRequest{Ref: reg.Host + "/app:v1"})
		pulled <- err
	}()
	<-held
	p := s.Pulls()
	if len(p) != 1 || p[0].Callers != 1 || p[0].Ref != reg.Host+"/app:v1" || p[0].Stage != "fetching layers" || len(p[0].Layers) != 2 || p[0].Total == 0 || p[0].Done >= p[0].Total {
		t.Errorf("with a layer held back: %+v", p)
	}
	close(release)
	if err := <-pulled; err != nil {
		t.Error(err)
	}
	if p := s.Pulls(); len(p) > 0 || len(s.coming.byID) > 0 {
		t.Errorf("after the pull: %+v, %d transfers", p, len(s.coming.byID))
	}
}

func TestRateIsTheMean(t *testing.T) {
	begun := time.Now()
	p := PullProgress{Begun: begun, Done: 3000}
	if got := p.Rate(begun.Add(2 * time.Second)); got != 1500 {
		t.Errorf("rate %v", got)
	}
	if got := p.Rate(begun); got != 0 {
		t.Errorf("rate at the beginning %v", got)
	}
}
