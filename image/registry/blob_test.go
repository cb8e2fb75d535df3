// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"crisp/image/internal/registrytest"
)

func pemCertificate(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// content is 1 MiB that is different everywhere.
func content() []byte {
	var b bytes.Buffer
	for i := 0; b.Len() < 1<<20; i++ {
		b.WriteString(strconv.Itoa(i) + ",")
	}
	return b.Bytes()[:1<<20]
}

// breakOff makes the registry break off its first blob responses, each after one of these numbers of bytes.
func breakOff(reg *registrytest.Registry, after ...int) {
	next := make(chan int, len(after))
	for _, n := range after {
		next <- n
	}
	reg.Intercept = func(w http.ResponseWriter, q *http.Request) bool {
		select {
		case n := <-next:
			reg.ServeContent(&shortWriter{w, n}, q)
			panic(http.ErrAbortHandler)
		default:
			return false
		}
	}
}

type shortWriter struct {
	http.ResponseWriter
	left int
}

func (w *shortWriter) Write(b []byte) (int, error) {
	b = b[:min(len(b), w.left)]
	w.left -= len(b)
	n, err := w.ResponseWriter.Write(b)
	w.ResponseWriter.(http.Flusher).Flush()
	return n, err
}

func TestBlobResumesWhereItBrokeOff(t *testing.T) {
	for _, noRanges := range []bool{false, true} {
		reg := registrytest.New(t)
		reg.NoRanges = noRanges
		want := content()
		d := reg.Blob(want)
		breakOff(reg, 300_000, 100_000, 300_000, 500_000)
		body, err := repository(t, newClient(t, ""), reg.Host+"/a", Credential{}).Blob(t.Context(), Descriptor{d, int64(len(want))})
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(body)
		body.Close()
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("without ranges %v: %d bytes, %v", noRanges, len(got), err)
		}
		if n := len(reg.Requests()); !noRanges && n != 4 || noRanges && n != 5 { // 1.2 MB and its end come with the first four
			t.Errorf("without ranges %v: %d requests", noRanges, n)
		}
	}
}

func TestBlobGivesUpWhenNothingComes(t *testing.T) {
	reg := registrytest.New(t)
	want := content()
	d := reg.Blob(want)
	breakOff(reg, make([]int, 100)...)
	body, err := repository(t, newClient(t, ""), reg.Host+"/a", Credential{}).Blob(t.Context(), Descriptor{d, int64(len(want))})
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	if _, err := io.ReadAll(body); !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "byte 0 of") {
		t.Errorf("err = %v", err)
	}
}

func TestBlobThatStallsIsResumed(t *testing.T) {
	reg := registrytest.New(t)
	want := content()
	d := reg.Blob(want)
	var asked atomic.Bool
	reg.Intercept = func(w http.ResponseWriter, q *http.Request) bool {
		if asked.Swap(true) {
			return false
		}
		reg.ServeContent(&shortWriter{w, 1000}, q)
		<-q.Context().Done()
		return true
	}
	c := newClient(t, "")
	c.stall = 50 * time.Millisecond
	body, err := repository(t, c, reg.Host+"/a", Credential{}).Blob(t.Context(), Descriptor{d, int64(len(want))})
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	if got, err := io.ReadAll(body); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

func TestBlobOfTheWrongSizeIsRefused(t *testing.T) {
	reg := registrytest.New(t)
	d := reg.Blob([]byte("hello"))
	r := repository(t, newClient(t, ""), reg.Host+"/a", Credential{})
	for _, size := range []int64{4, 6} {
		if _, err := r.Blob(t.Context(), Descriptor{d, size}); !errors.Is(err, ErrDigest) {
			t.Errorf("size %d: %v", size, err)
		}
	}
	reg.Intercept = func(w http.ResponseWriter, q *http.Request) bool { // chunked: the length is not announced
		for range 3 {
			_, _ = io.WriteString(w, "hello")
			w.(http.Flusher).Flush()
		}
		return true
	}
	body, err := r.Blob(t.Context(), Descriptor{d, 5})
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	if _, err := io.ReadAll(body); !errors.Is(err, ErrDigest) {
		t.Errorf("more than its size: %v", err)
	}
}

func TestReadBlobVerifies(t *testing.T) {
	reg := registrytest.New(t)
	d := reg.Blob([]byte("hello"))
	r := repository(t, newClient(t, ""), reg.Host+"/a", Credential{})
	if b, err := r.ReadBlob(t.Context(), Descriptor{d, 5}, 100); err != nil || string(b) != "hello" {
		t.Errorf("%q, %v", b, err)
	}
	if _, err := r.ReadBlob(t.Context(), Descriptor{d, 5}, 4); !errors.Is(err, ErrLimit) {
		t.Errorf("limit: %v", err)
	}
	if _, err := r.ReadBlob(t.Context(), Descriptor{"md5:1234", 5}, 100); !errors.Is(err, ErrDigest) {
		t.Errorf("algorithm: %v", err)
	}
	reg.Intercept = func(w http.ResponseWriter, q *http.Request) bool { _, _ = io.WriteString(w, "HELLO"); return true }
	if _, err := r.ReadBlob(t.Context(), Descriptor{d, 5}, 100); !errors.Is(err, ErrDigest) {
		t.Errorf("other content: %v", err)
	}
	if _, err := r.ReadBlob(t.Context(), Descriptor{digest.FromString("absent"), 5}, 100); !errors.Is(err, ErrDigest) && !errors.Is(err, ErrNotFound) {
		t.Errorf("absent: %v", err)
	}
}

func TestBlobEndsWithItsContextAndWithClose(t *testing.T) {
	reg := registrytest.New(t)
	d := reg.Blob(content())
	reg.Intercept = func(w http.ResponseWriter, q *http.Request) bool {
		reg.ServeContent(&shortWriter{w, 1000}, q)
		<-q.Context().Done()
		return true
	}
	r := repository(t, newClient(t, ""), reg.Host+"/a", Credential{})
	for _, end := range []func(context.CancelFunc, io.Closer){
		func(cancel context.CancelFunc, _ io.Closer) { cancel() },
		func(_ context.CancelFunc, c io.Closer) { c.Close() },
	} {
		ctx, cancel := context.WithCancel(t.Context())
		body, err := r.Blob(ctx, Descriptor{d, 1 << 20})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(body, make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
		go end(cancel, body)
		if _, err := body.Read(make([]byte, 1)); !errors.Is(err, context.Canceled) {
			t.Errorf("err = %v", err)
		}
		body.Close()
		cancel()
	}
}
