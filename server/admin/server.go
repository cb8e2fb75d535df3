// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"crisp/image"
)

// Images is what is served of the image store; *image.Store and Client are both one.
type Images interface {
	All(ctx context.Context) ([]*image.Image, error)
	Find(ctx context.Context, ref string) (*image.Image, error)
	Remove(ctx context.Context, ref string) error
	// Fetch pulls and tells now and then how far it is.
	Fetch(ctx context.Context, r image.PullRequest, tell func(image.PullProgress)) (*image.Image, error)
	UnderWay(ctx context.Context) ([]image.PullProgress, error)
	Explain(ctx context.Context, r image.PullRequest) (*image.Explanation, error)
}

// Event is a line of a pull's answer: how far it is, or how it ended.
type Event struct {
	Progress *image.PullProgress `json:",omitempty"`
	Image    *image.Image        `json:",omitempty"`
	Error    string              `json:",omitempty"`
}

const (
	maxRequest = 1 << 20
	// shutdown is how long requests may go on when the daemon ends.
	shutdown = time.Second
)

// Handler serves the images.
func Handler(images Images) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /images", func(w http.ResponseWriter, q *http.Request) {
		if ref := q.FormValue("ref"); ref != "" {
			answer(w, func() (any, error) { return images.Find(q.Context(), ref) })
			return
		}
		answer(w, func() (any, error) { return images.All(q.Context()) })
	})
	mux.HandleFunc("DELETE /images", func(w http.ResponseWriter, q *http.Request) {
		answer(w, func() (any, error) { return struct{}{}, images.Remove(q.Context(), q.FormValue("ref")) })
	})
	mux.HandleFunc("GET /pulls", func(w http.ResponseWriter, q *http.Request) {
		answer(w, func() (any, error) { return images.UnderWay(q.Context()) })
	})
	mux.HandleFunc("POST /pulls", func(w http.ResponseWriter, q *http.Request) { pull(w, q, images) })
	mux.HandleFunc("POST /explain", func(w http.ResponseWriter, q *http.Request) {
		answer(w, func() (any, error) {
			r, err := request(w, q)
			if err != nil {
				return nil, err
			}
			return images.Explain(q.Context(), r)
		})
	})
	return mux
}

// answer sends a result, or an error with its kind as a status.
func answer(w http.ResponseWriter, do func() (any, error)) {
	result, err := do()
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		code := http.StatusInternalServerError
		if errors.Is(err, image.ErrNotFound) {
			code = http.StatusNotFound
		}
		w.WriteHeader(code)
		result = map[string]string{"error": err.Error()}
	}
	_ = json.NewEncoder(w).Encode(result) // a client that is gone is its own matter
}

func request(w http.ResponseWriter, q *http.Request) (r image.PullRequest, err error) {
	return r, json.NewDecoder(http.MaxBytesReader(w, q.Body, maxRequest)).Decode(&r)
}

// pull answers with a line now and then, and one at the end. The pull ends with its client.
func pull(w http.ResponseWriter, q *http.Request, images Images) {
	r, err := request(w, q)
	if err != nil {
		answer(w, func() (any, error) { return nil, err })
		return
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	lines := json.NewEncoder(w)
	send := func(e Event) {
		if lines.Encode(e) == nil {
			_ = http.NewResponseController(w).Flush()
		}
	}
	im, err := images.Fetch(q.Context(), r, func(p image.PullProgress) { send(Event{Progress: &p}) })
	if err != nil {
		send(Event{Error: err.Error()})
		return
	}
	send(Event{Image: im})
}
