// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"

	"crisp/image"
)

// Client asks a daemon by its socket.
type Client struct{ http *http.Client }

// Dial makes a Client for a socket; nothing is connected yet.
func Dial(socket string) *Client {
	return &Client{&http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", socket)
		},
	}}}
}

// Close closes idle connections.
func (c *Client) Close() error {
	c.http.CloseIdleConnections()
	return nil
}

// All implements Images.
func (c *Client) All(ctx context.Context) (all []*image.Image, err error) {
	return all, c.call(ctx, http.MethodGet, "/images", nil, &all)
}

// Find implements Images.
func (c *Client) Find(ctx context.Context, ref string) (*image.Image, error) {
	var im image.Image
	return &im, c.call(ctx, http.MethodGet, "/images?ref="+url.QueryEscape(ref), nil, &im)
}

// Remove implements Images.
func (c *Client) Remove(ctx context.Context, ref string) error {
	return c.call(ctx, http.MethodDelete, "/images?ref="+url.QueryEscape(ref), nil, nil)
}

// UnderWay implements Images.
func (c *Client) UnderWay(ctx context.Context) (all []image.PullProgress, err error) {
	return all, c.call(ctx, http.MethodGet, "/pulls", nil, &all)
}

// Explain implements Images.
func (c *Client) Explain(ctx context.Context, r image.PullRequest) (*image.Explanation, error) {
	var e image.Explanation
	return &e, c.call(ctx, http.MethodPost, "/explain", r, &e)
}

// Fetch implements Images.
func (c *Client) Fetch(ctx context.Context, r image.PullRequest, tell func(image.PullProgress)) (*image.Image, error) {
	resp, err := c.send(ctx, http.MethodPost, "/pulls", r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	for lines := json.NewDecoder(resp.Body); ; {
		var e Event
		if err := lines.Decode(&e); err != nil {
			return nil, fmt.Errorf("the daemon's answer ended early: %w", err)
		}
		switch {
		case e.Error != "":
			return nil, errors.New(e.Error)
		case e.Image != nil:
			return e.Image, nil
		case e.Progress != nil:
			tell(*e.Progress)
		}
	}
}

// call makes a request and reads its JSON answer into result, which may be nil.
func (c *Client) call(ctx context.Context, method, path string, body, result any) error {
	resp, err := c.send(ctx, method, path, body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if result == nil {
		return nil
	}
	return json.NewDecoder(resp.Body).Decode(result)
}

// send returns a good answer.
func (c *Client) send(ctx context.Context, method, path string, body any) (*http.Response, error) {
	data, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://crisp"+path, bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		if u, ok := errors.AsType[*url.Error](err); ok {
			err = u.Err
		}
		return nil, fmt.Errorf("ask the daemon: %w", err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	defer resp.Body.Close()
	var failed struct {
		Error string `json:"error"`
	}
	if json.NewDecoder(resp.Body).Decode(&failed) != nil || failed.Error == "" {
		failed.Error = resp.Status
	}
	if resp.StatusCode == http.StatusNotFound {
		return nil, &notFound{failed.Error}
	}
	return nil, errors.New(failed.Error)
}

// notFound is image.ErrNotFound in the daemon's words.
type notFound struct{ text string }

func (e *notFound) Error() string        { return e.text }
func (e *notFound) Is(target error) bool { return target == image.ErrNotFound }
