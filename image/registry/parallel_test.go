// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"crisp/image/internal/registrytest"
)

// large is a blob of several segments, and a piece.
func large() []byte {
	b := make([]byte, 5*segmentSize+12345)
	rand.NewChaCha8([32]byte{1}).Read(b) //nolint:errcheck // never fails
	return b
}

// parallelBlob opens a large blob of a registry with a client that reads such blobs through several connections.
func parallelBlob(t *testing.T, reg *registrytest.Registry, want []byte) (*Client, io.ReadCloser) {
	t.Helper()
	c := newClient(t, "")
	c.parallelFrom = segmentSize
	d := reg.Blob(want)
	body, err := repository(t, c, reg.Host+"/a", Credential{}).Blob(t.Context(), Descriptor{d, int64(len(want))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		body.Close()
		if n := len(c.ahead); n != 0 {
			t.Errorf("%d segments have kept their place", n)
		}
	})
	return c, body
}

func checkContent(t *testing.T, body io.Reader, want []byte) {
	t.Helper()
	got, err := io.ReadAll(body)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes of %d, equal: %v, %v", len(got), len(want), bytes.Equal(got, want), err)
	}
}

func TestLargeBlobComesThroughSeveralConnections(t *testing.T) {
	reg := registrytest.New(t)
	var now, most atomic.Int32
	two := make(chan struct{})
	var met sync.Once
	reg.Intercept = func(_ http.ResponseWriter, q *http.Request) bool {
		n := now.Add(1)
		context.AfterFunc(q.Context(), func() { now.Add(-1) })
		if n > most.Load() {
			most.Store(n)
		}
		if n == 2 {
			met.Do(func() { close(two) })
		}
		if !strings.HasPrefix(q.Header.Get("Range"), "bytes=0-") {
			<-two
		}
		return false
	}
	want := large()
	_, body := parallelBlob(t, reg, want)
	<-two // the head is not read before a second request is there
	checkContent(t, body, want)
	if n := most.Load(); n > 1+maxAhead {
		t.Errorf("%d requests at a time", n)
	}
	if n := len(reg.Requests()); n != 6 {
		t.Errorf("%d requests for 6 segments", n)
	}
}

func TestLargeBlobOfAHostWithoutRangesIsOneRequest(t *testing.T) {
	reg := registrytest.New(t)
	reg.NoRanges = true
	want := large()
	_, body := parallelBlob(t, reg, want)
	checkContent(t, body, want)
	if n := len(reg.Requests()); n != 1 {
		t.Errorf("%d requests", n)
	}
}

func TestLargeBlobSurvivesBrokenConnections(t *testing.T) {
	for _, kind := range []string{"ranges", "open ranges", "no ranges"} {
		reg := registrytest.New(t)
		reg.OpenRanges, reg.NoRanges = kind == "open ranges", kind == "no ranges"
		var mu sync.Mutex
		r := rand.New(rand.NewPCG(1, 2))
		left := 12
		if reg.NoRanges {
			left = 3 // each starts over
		}
		reg.Intercept = func(w http.ResponseWriter, q *http.Request) bool {
			mu.Lock()
			if left--; left < 0 {
				mu.Unlock()
				return false
			}
			n := r.IntN(segmentSize)
			mu.Unlock()
			reg.ServeContent(&shortWriter{w, n}, q)
			panic(http.ErrAbortHandler)
		}
		want := large()
		_, body := parallelBlob(t, reg, want)
		checkContent(t, body, want)
	}
}

func TestLargeBlobGoesOnAloneWhenOthersHoldTheMemory(t *testing.T) {
	reg := registrytest.New(t)
	want := large()
	c := newClient(t, "")
	c.parallelFrom = segmentSize
	for range maxAheadAll {
		c.ahead <- struct{}{}
	}
	d := reg.Blob(want)
	body, err := repository(t, c, reg.Host+"/a", Credential{}).Blob(t.Context(), Descriptor{d, int64(len(want))})
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	checkContent(t, body, want)
	if n := len(reg.Requests()); n != 2 {
		t.Errorf("%d requests, not one for the first segment and one for the rest", n)
	}
}

func TestLargeBlobThatOneHostLosesIsAnError(t *testing.T) {
	reg := registrytest.New(t)
	var asked atomic.Int32
	reg.Intercept = func(w http.ResponseWriter, _ *http.Request) bool {
		if asked.Add(1) <= 2 {
			return false
		}
		w.WriteHeader(http.StatusNotFound)
		return true
	}
	_, body := parallelBlob(t, reg, large())
	if got, err := io.ReadAll(body); !errors.Is(err, ErrNotFound) || len(got) < segmentSize {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

func TestLargeBlobEndsWithClose(t *testing.T) {
	reg := registrytest.New(t)
	want := large()
	reg.Intercept = func(w http.ResponseWriter, q *http.Request) bool {
		if strings.HasPrefix(q.Header.Get("Range"), "bytes=0-") {
			return false
		}
		reg.ServeContent(&shortWriter{w, 1000}, q)
		<-q.Context().Done()
		return true
	}
	_, body := parallelBlob(t, reg, want)
	if _, err := io.ReadFull(body, make([]byte, segmentSize)); err != nil {
		t.Fatal(err)
	}
	go body.Close()
	if _, err := io.ReadAll(body); !errors.Is(err, context.Canceled) {
		t.Errorf("err = %v", err)
	}
}
