// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"

	"crisp/image/reference"
)

// Config says how a Client behaves. Zero values mean the defaults.
type Config struct {
	// Dir holds DOMAIN/hosts.toml files; "" means none.
	Dir string
	// Sources says where a registry's images come from that has no hosts.toml; nil, and no sources, mean the registry's own host.
	Sources func(reference.Reference) ([]Source, error)
	// Credentials are those for a repository at a host ("registry.example:5000", "library/busybox"), for callers that bring none
	// of their own; nil means none.
	Credentials func(host, repository string) (Credential, error)
	// UserAgent is sent with every request; default "crisp".
	UserAgent string
	// Stall is how long a host may send nothing before the connection is given up; default 30 s.
	Stall time.Duration
	// Backoff is the pause before the first repetition of a request, doubled with each; default 250 ms.
	Backoff time.Duration
	Log     *slog.Logger
}

// Client talks to registries. It is safe for concurrent use.
type Client struct {
	dir         string
	sources     func(reference.Reference) ([]Source, error)
	credentials func(host, repository string) (Credential, error)
	userAgent   string
	stall       time.Duration
	backoff     time.Duration
	log         *slog.Logger
	sessions    sessions
	// parallelFrom is the size of a blob that comes through several connections; ahead has a place for each segment of these.
	parallelFrom int64
	ahead        chan struct{}

	// mu guards loaded and made.
	mu     sync.Mutex
	loaded map[string]*loaded // by registry name
	made   map[string]*made   // by the key of a source
}

// New makes a Client.
func New(c Config) *Client {
	client := &Client{dir: c.Dir, sources: c.Sources, credentials: c.Credentials, made: map[string]*made{}, userAgent: c.UserAgent, stall: c.Stall, backoff: c.Backoff, log: c.Log, loaded: map[string]*loaded{},
		parallelFrom: defaultParallelFrom, ahead: make(chan struct{}, maxAheadAll)}
	if client.userAgent == "" {
		client.userAgent = "crisp"
	}
	if client.stall == 0 {
		client.stall = 30 * time.Second
	}
	if client.backoff == 0 {
		client.backoff = 250 * time.Millisecond
	}
	if client.log == nil {
		client.log = slog.Default()
	}
	return client
}

// Close closes idle connections.
func (c *Client) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, l := range c.loaded {
		for _, h := range l.hosts {
			h.client.CloseIdleConnections()
		}
	}
	for _, m := range c.made {
		m.client.CloseIdleConnections()
	}
}

// Repository is one repository of a registry, as one credential sees it.
type Repository struct {
	client *Client
	ref    reference.Reference
	cred   Credential
	lookUp func(host, repository string) (Credential, error) // where cred is empty; nil: none
	hosts  []*host

	// mu guards found: what lookUp has said for a host. It reads files, and may start a program.
	mu    sync.Mutex
	found map[*host]Credential
}

// LookUpCredentials makes the repository use other credentials of the node than the client does, where the caller has brought none.
func (r *Repository) LookUpCredentials(f func(host, repository string) (Credential, error)) {
	r.lookUp = f
}

// Repository prepares requests for the repository of ref.
func (c *Client) Repository(ref reference.Reference, cred Credential) (*Repository, error) {
	if err := cred.CheckServerAddress(); err != nil {
		return nil, err
	}
	hosts, err := c.hostsFor(ref)
	if err != nil {
		return nil, fmt.Errorf("registry configuration for %s: %w", ref.Domain, err)
	}
	return &Repository{client: c, ref: ref, cred: cred, lookUp: c.credentials, hosts: hosts}, nil
}

// request is what is asked of one host after the other.
type request struct {
	op      string // for errors: "manifest docker.io/library/busybox:latest"
	method  string
	path    string // below the repository: "manifests/latest"
	header  http.Header
	resolve bool // needs a host that may resolve tags
	push    bool // changes something: the registry's own host alone is asked, with the right to push
	// body, of size bytes, is what is sent; each try asks for it anew.
	body func() (io.ReadCloser, error)
	size int64
	// good are the statuses that mean success; 200 and 206 if there are none.
	good []int
	// url is asked instead of path: an upload's location.
	url *url.URL
	// check refuses an answer that is no use although its status is good.
	check func(*http.Response) error
}

// do asks host after host for an answer with status 200 or 206 and says which host gave it. Only the last host, the registry's
// own, is asked again after temporary errors: while there are others, trying them is the better repetition.
func (r *Repository) do(ctx context.Context, q request) (*http.Response, *host, error) {
	hosts := capable(r.hosts, q.resolve)
	if q.push {
		hosts = r.hosts[len(r.hosts)-1:]
	}
	failed := &Error{Op: q.op}
	for i, h := range hosts {
		tries := 1
		if i == len(hosts)-1 {
			tries = maxTries
		}
		resp, err := r.try(ctx, h, q, tries)
		if err == nil {
			return resp, h, nil
		}
		if ctx.Err() != nil {
			return nil, nil, fmt.Errorf("%s: %w", q.op, context.Cause(ctx))
		}
		failed.Attempts = append(failed.Attempts, Attempt{Host: h.name, Err: err})
	}
	return nil, nil, failed
}

const (
	// maxTries is how often one host is asked in all.
	maxTries = 5
	// maxBackoff bounds a pause, also one that the host asks for with Retry-After.
	maxBackoff = 30 * time.Second
)

// try asks one host, repeatedly while its errors are temporary.
func (r *Repository) try(ctx context.Context, h *host, q request, tries int) (*http.Response, error) {
	var resp *http.Response
	err := r.client.retry(ctx, tries, func() (err error) {
		resp, err = r.once(ctx, h, q)
		return err
	})
	return resp, err
}

// retry does something so many times at the most, with pauses, while its errors are temporary.
func (c *Client) retry(ctx context.Context, tries int, do func() error) error {
	for n := 1; ; n++ {
		err := do()
		t, ok := errors.AsType[interface {
			error
			temporary() bool
		}](err)
		if !ok || !t.temporary() || n == tries {
			return err
		}
		if err := pause(ctx, c.pauseFor(n, err)); err != nil {
			return err
		}
	}
}

// pauseFor is the time to wait after the n-th failure: doubled each time, with a random part so that a fleet does not come back at once.
func (c *Client) pauseFor(n int, err error) time.Duration {
	d := min(c.backoff<<(n-1), maxBackoff)
	d = d/2 + rand.N(d/2+1)
	if s, ok := errors.AsType[*statusError](err); ok {
		d = max(d, s.retryAfter(time.Now()))
	}
	return min(d, maxBackoff)
}

// retryAfter reads Retry-After: seconds or a date (RFC 9110, 10.2.3).
func (e *statusError) retryAfter(now time.Time) time.Duration {
	if n, err := strconv.ParseUint(e.retry, 10, 31); err == nil {
		return time.Duration(n) * time.Second
	}
	if t, err := http.ParseTime(e.retry); err == nil {
		return t.Sub(now)
	}
	return 0
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// once asks one host once, logging in if it must.
func (r *Repository) once(ctx context.Context, h *host, q request) (*http.Response, error) {
	cred, err := r.credential(h)
	if err != nil {
		return nil, err
	}
	actions := "pull"
	if q.push {
		actions = "pull,push"
	}
	s := r.client.sessions.get(sessionKey{host: h.name, repository: h.path(r.ref), actions: actions, credential: cred.Key()})
	auth := s.current()
	if auth == "" && cred.RegistryToken != "" {
		auth = "Bearer " + cred.RegistryToken
	}
	for login := 0; ; login++ {
		resp, err := r.send(ctx, h, q, auth)
		if err != nil {
			return nil, err
		}
		if resp.StatusCode != http.StatusUnauthorized || login == 1 || !sameOrigin(resp.Request.URL, h.config.url) {
			return accept(resp, q) // a host that a redirect led to gets no credentials, whatever it asks for
		}
		refusal := responseError(resp)
		auth, err = s.login(ctx, loginRequest{
			client: h.client, userAgent: r.client.userAgent, plain: h.config.url.Scheme == "http",
			challenges: parseChallenges(resp.Header.Values("WWW-Authenticate")),
			scope:      "repository:" + h.path(r.ref) + ":" + actions,
			credential: cred, refused: auth,
		})
		if errors.Is(err, errNoChallenge) {
			return nil, refusal
		}
		if err != nil {
			return nil, err
		}
	}
}

// credential is what the caller brings for a host, or what the node has for it.
func (r *Repository) credential(h *host) (Credential, error) {
	if r.cred != (Credential{}) || r.lookUp == nil {
		return r.cred.forHost(h.config.url.Host), nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if c, ok := r.found[h]; ok {
		return c, nil
	}
	c, err := r.lookUp(canonicalHost(h.config.url.Host), h.path(r.ref))
	if err != nil {
		return Credential{}, fmt.Errorf("%w: the node's credentials: %w", ErrUnauthorized, err)
	}
	if r.found == nil {
		r.found = map[*host]Credential{}
	}
	r.found[h] = c
	return c, nil
}

func (r *Repository) send(ctx context.Context, h *host, q request, auth string) (*http.Response, error) {
	req, err := r.request(ctx, h, q)
	if err != nil {
		return nil, err
	}
	for _, hdr := range []http.Header{h.config.header, q.header} {
		for name, values := range hdr {
			req.Header[http.CanonicalHeaderKey(name)] = values
		}
	}
	req.Header.Set("User-Agent", r.client.userAgent)
	if auth != "" && sameOrigin(req.URL, h.config.url) {
		req.Header.Set("Authorization", auth)
	}
	resp, err := h.client.Do(req)
	if err != nil {
		return nil, &transportError{withoutURL(err)}
	}
	return resp, nil
}

// request is the HTTP form of q for a host.
func (r *Repository) request(ctx context.Context, h *host, q request) (*http.Request, error) {
	u := q.url
	if u == nil {
		own := *h.config.url
		u = &own
		path, query, _ := strings.Cut(q.path, "?")
		u.Path += "/" + h.path(r.ref) + "/" + path
		u.RawQuery = query
		if h.namespace != "" {
			u.RawQuery = url.Values{"ns": {h.namespace}}.Encode()
		}
	}
	if q.body == nil {
		return http.NewRequestWithContext(ctx, q.method, u.String(), nil)
	}
	body, err := q.body()
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, q.method, u.String(), body)
	if err != nil {
		body.Close()
		return nil, err
	}
	req.ContentLength, req.GetBody = q.size, q.body
	if q.size == 0 {
		body.Close()
		req.Body, req.GetBody = http.NoBody, nil
	}
	return req, nil
}

// accept returns a good answer, or closes a bad one and says what it was.
func accept(resp *http.Response, q request) (*http.Response, error) {
	good := q.good
	if good == nil {
		good = []int{http.StatusOK, http.StatusPartialContent}
	}
	if !slices.Contains(good, resp.StatusCode) {
		return nil, responseError(resp)
	}
	if q.check != nil {
		if err := q.check(resp); err != nil {
			resp.Body.Close()
			return nil, err
		}
	}
	return resp, nil
}

const (
	maxErrorBody    = 64 << 10
	maxErrorMessage = 300
)

// responseError closes the answer and makes an error of it, with the registry's own words where it has any
// (distribution-spec, "Error Codes").
func responseError(resp *http.Response) error {
	defer resp.Body.Close()
	e := &statusError{status: resp.StatusCode, text: strings.TrimSpace(strconv.Itoa(resp.StatusCode) + " " + http.StatusText(resp.StatusCode)),
		retry: resp.Header.Get("Retry-After")}
	b, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
	var body struct {
		Errors []struct {
			Code    string `json:"code"`
			Message string `json:"message"`
		} `json:"errors"`
		Details string `json:"details"` // Docker Hub's token service
	}
	if json.Unmarshal(b, &body) != nil {
		return e
	}
	var words []string
	for _, x := range body.Errors {
		words = append(words, strings.Trim(x.Code+": "+x.Message, ": "))
	}
	if len(words) == 0 && body.Details != "" {
		words = []string{body.Details}
	}
	e.message = printable(strings.Join(words, ", "))
	return e
}

// printable makes foreign text fit for a log line and an event.
func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s)
	if len(s) > maxErrorMessage {
		s = strings.ToValidUTF8(s[:maxErrorMessage], "") + "..."
	}
	return s
}
