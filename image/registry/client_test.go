// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"crisp/image/internal/registrytest"
	"crisp/image/reference"
)

// newClient makes a client that does not wait long; hosts is the text of _default/hosts.toml, "" for none.
func newClient(t *testing.T, hosts string) *Client {
	t.Helper()
	c := Config{Stall: 5 * time.Second, Backoff: time.Millisecond, Log: slog.New(slog.DiscardHandler)}
	if hosts != "" {
		c.Dir = t.TempDir()
		writeHosts(t, c.Dir, "_default", hosts)
	}
	client := New(c)
	t.Cleanup(client.Close)
	return client
}

func writeHosts(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(dir, name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name, "hosts.toml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func repository(t *testing.T, c *Client, name string, cred Credential) *Repository {
	t.Helper()
	ref, err := reference.Parse(name)
	if err != nil {
		t.Fatal(err)
	}
	r, err := c.Repository(ref, cred)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// deadHost is an address at which nobody listens.
func deadHost(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestManifestByTagAndDigest(t *testing.T) {
	reg := registrytest.New(t)
	d := reg.Manifest("a/b", MediaTypeManifest, []byte(`{"x":1}`), "v1")
	r := repository(t, newClient(t, ""), reg.Host+"/a/b:v1", Credential{})
	for _, target := range []string{"v1", d.String()} {
		m, err := r.Manifest(t.Context(), target)
		if err != nil || m.Digest != d || string(m.Bytes) != `{"x":1}` || m.MediaType != MediaTypeManifest {
			t.Errorf("Manifest(%s) = %+v, %v", target, m, err)
		}
		if got, err := r.Resolve(t.Context(), target); got != d || err != nil {
			t.Errorf("Resolve(%s) = %s, %v", target, got, err)
		}
	}
	if got := reg.Requests(); len(got) != 4 {
		t.Errorf("requests: %q", got) // none of them a ping
	}
}

func TestManifestThatIsNotItsDigestIsRefused(t *testing.T) {
	reg := registrytest.New(t)
	d := reg.Manifest("a", MediaTypeManifest, []byte(`{"x":1}`), "v1")
	reg.Intercept = func(w http.ResponseWriter, q *http.Request) bool {
		w.Header().Set("Docker-Content-Digest", d.String())
		_, _ = io.WriteString(w, `{"x":2}`)
		return true
	}
	r := repository(t, newClient(t, ""), reg.Host+"/a", Credential{})
	for _, target := range []string{"v1", d.String()} {
		if _, err := r.Manifest(t.Context(), target); !errors.Is(err, ErrDigest) {
			t.Errorf("Manifest(%s): %v", target, err)
		}
	}
}

func TestManifestSizeIsLimited(t *testing.T) {
	reg := registrytest.New(t)
	reg.Manifest("a", MediaTypeManifest, make([]byte, MaxManifest+1), "v1")
	if _, err := repository(t, newClient(t, ""), reg.Host+"/a", Credential{}).Manifest(t.Context(), "v1"); !errors.Is(err, ErrLimit) {
		t.Errorf("err = %v", err)
	}
}

func TestErrorsAreOfTheirKind(t *testing.T) {
	reg := registrytest.New(t)
	status := 404
	reg.Intercept = func(w http.ResponseWriter, q *http.Request) bool {
		registrytest.Fail(w, status, "CODE", "some\nwords")
		return true
	}
	r := repository(t, newClient(t, ""), reg.Host+"/a", Credential{})
	for s, want := range map[int]error{404: ErrNotFound, 403: ErrUnauthorized, 401: ErrUnauthorized, 500: ErrUnavailable, 429: ErrUnavailable, 503: ErrUnavailable} {
		status = s
		_, err := r.Manifest(t.Context(), "v1")
		if !errors.Is(err, want) {
			t.Errorf("status %d: %v", s, err)
		}
		if !strings.Contains(err.Error(), "CODE: some words") || !strings.Contains(err.Error(), reg.URL()) {
			t.Errorf("status %d: the error does not say who said what: %v", s, err)
		}
	}
	dead := repository(t, newClient(t, ""), deadHost(t)+"/a", Credential{})
	if _, err := dead.Manifest(t.Context(), "v1"); !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "refused") {
		t.Errorf("nobody listens: %v", err)
	}
}

func TestTemporaryErrorsAreRetried(t *testing.T) {
	reg := registrytest.New(t)
	d := reg.Manifest("a", MediaTypeManifest, []byte(`{}`), "v1")
	failures := []func(http.ResponseWriter){
		func(w http.ResponseWriter) { w.WriteHeader(503) },
		func(w http.ResponseWriter) { w.Header().Set("Retry-After", "0"); w.WriteHeader(429) },
		func(w http.ResponseWriter) {
			conn, _, _ := w.(http.Hijacker).Hijack()
			conn.Close()
		},
		func(w http.ResponseWriter) { w.WriteHeader(408) },
	}
	next := make(chan func(http.ResponseWriter), len(failures))
	for _, f := range failures {
		next <- f
	}
	reg.Intercept = func(w http.ResponseWriter, q *http.Request) bool {
		select {
		case fail := <-next:
			fail(w)
			return true
		default:
			return false
		}
	}
	m, err := repository(t, newClient(t, ""), reg.Host+"/a", Credential{}).Manifest(t.Context(), "v1")
	if err != nil || m.Digest != d {
		t.Errorf("%v, %v", m, err)
	}
}

func TestRetryAfterIsObeyedWithinBounds(t *testing.T) {
	c := New(Config{Backoff: time.Millisecond})
	now := time.Now()
	for value, want := range map[string]time.Duration{"3": 3 * time.Second, "999999": maxBackoff, "-1": 0, "x": 0, "": 0} {
		if got := c.pauseFor(1, &statusError{retry: value}); got < want || got > want+time.Millisecond {
			t.Errorf("Retry-After %q: %s", value, got)
		}
	}
	if got := (&statusError{retry: now.Add(time.Minute).UTC().Format(http.TimeFormat)}).retryAfter(now); got < 58*time.Second || got > time.Minute {
		t.Errorf("date: %s", got)
	}
	if got := c.pauseFor(60, errors.New("x")); got > maxBackoff || got < 0 {
		t.Errorf("60th repetition: %s", got)
	}
}

func TestBasicAuthorization(t *testing.T) {
	reg := registrytest.New(t)
	reg.Auth = &registrytest.Auth{Username: "u", Password: "p"}
	d := reg.Manifest("a", MediaTypeManifest, []byte(`{}`), "v1")
	c := newClient(t, "")
	if _, err := repository(t, c, reg.Host+"/a", Credential{}).Manifest(t.Context(), "v1"); !errors.Is(err, ErrUnauthorized) {
		t.Errorf("anonymous: %v", err)
	}
	if _, err := repository(t, c, reg.Host+"/a", Credential{Username: "u", Password: "wrong"}).Manifest(t.Context(), "v1"); !errors.Is(err, ErrUnauthorized) {
		t.Errorf("wrong password: %v", err)
	}
	reg.Requests()
	r := repository(t, c, reg.Host+"/a", Credential{Username: "u", Password: "p", ServerAddress: "http://" + reg.Host + "/v1/"})
	for range 3 {
		if m, err := r.Manifest(t.Context(), "v1"); err != nil || m.Digest != d {
			t.Fatal(err)
		}
	}
	if n := len(reg.Requests()); n != 4 { // the first was challenged, the others knew
		t.Errorf("%d requests", n)
	}
	other := repository(t, c, reg.Host+"/a", Credential{Username: "u", Password: "p", ServerAddress: "other.example"})
	if _, err := other.Manifest(t.Context(), "v1"); !errors.Is(err, ErrUnauthorized) {
		t.Errorf("credentials for another server: %v", err)
	}
}

func TestBearerAuthorization(t *testing.T) {
	for name, tt := range map[string]struct {
		auth *registrytest.Auth
		cred Credential
	}{
		"anonymous": {&registrytest.Auth{Anonymous: true}, Credential{}},
		"password":  {&registrytest.Auth{Username: "u", Password: "p"}, Credential{Username: "u", Password: "p"}},
		"identity":  {&registrytest.Auth{Identity: "refresh me"}, Credential{IdentityToken: "refresh me"}},
	} {
		t.Run(name, func(t *testing.T) {
			reg := registrytest.New(t)
			reg.Auth = tt.auth
			reg.Auth.Bearer, reg.Auth.Lifetime = true, 300
			d := reg.Manifest("a/b", MediaTypeManifest, []byte(`{}`), "v1")
			r := repository(t, newClient(t, ""), reg.Host+"/a/b", tt.cred)
			for i := range 4 {
				if i == 2 {
					reg.Auth.Revoke() // a token that is refused is fetched anew
				}
				if m, err := r.Manifest(t.Context(), "v1"); err != nil || m.Digest != d {
					t.Fatal(err)
				}
			}
			if n := reg.Auth.Fetched.Load(); n != 2 {
				t.Errorf("%d tokens were fetched, want 2", n)
			}
			bad := repository(t, newClient(t, ""), reg.Host+"/a/b", Credential{Username: "x", Password: "y"})
			if _, err := bad.Manifest(t.Context(), "v1"); !errors.Is(err, ErrUnauthorized) || strings.Contains(err.Error(), "y") && strings.Contains(err.Error(), "Basic") {
				t.Errorf("wrong password: %v", err)
			}
		})
	}
}

func TestTokenIsFetchedAgainWhenItsTimeIsUp(t *testing.T) {
	s := &session{header: "Bearer old", expires: time.Now().Add(-time.Second)}
	if h := s.current(); h != "" {
		t.Errorf("expired token %q is used", h)
	}
	s.expires = time.Now().Add(time.Minute)
	if h := s.current(); h != "Bearer old" {
		t.Errorf("current = %q", h)
	}
}

func TestRegistryTokenIsSentAsItIs(t *testing.T) {
	reg := registrytest.New(t)
	reg.Auth = &registrytest.Auth{Bearer: true}
	reg.Manifest("a", MediaTypeManifest, []byte(`{}`), "v1")
	r := repository(t, newClient(t, ""), reg.Host+"/a", Credential{RegistryToken: reg.Auth.Token()})
	if _, err := r.Manifest(t.Context(), "v1"); err != nil {
		t.Error(err)
	}
	if q := reg.Requests(); len(q) != 1 {
		t.Errorf("requests: %q", q)
	}
	reg.Auth.Revoke()
	if _, err := r.Manifest(t.Context(), "v1"); !errors.Is(err, ErrUnauthorized) {
		t.Errorf("revoked: %v", err)
	}
}

func TestParallelRequestsFetchOneToken(t *testing.T) {
	reg := registrytest.New(t)
	reg.Auth = &registrytest.Auth{Bearer: true, Anonymous: true}
	reg.Manifest("a", MediaTypeManifest, []byte(`{}`), "v1")
	r := repository(t, newClient(t, ""), reg.Host+"/a", Credential{})
	errs := make(chan error)
	for range 8 {
		go func() { _, err := r.Manifest(t.Context(), "v1"); errs <- err }()
	}
	for range 8 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if n := reg.Auth.Fetched.Load(); n != 1 {
		t.Errorf("%d tokens were fetched", n)
	}
}

func TestMirrorsAreAskedInOrder(t *testing.T) {
	broken, empty, mirror, origin := registrytest.New(t), registrytest.New(t), registrytest.New(t), registrytest.New(t)
	broken.Intercept = func(w http.ResponseWriter, q *http.Request) bool { w.WriteHeader(500); return true }
	var namespace atomic.Value
	mirror.Intercept = func(w http.ResponseWriter, q *http.Request) bool {
		namespace.Store(q.URL.Query().Get("ns"))
		return false
	}
	d := mirror.Manifest("library/a", MediaTypeManifest, []byte(`{"from":"mirror"}`), "v1")
	origin.Manifest("library/a", MediaTypeManifest, []byte(`{"from":"origin"}`), "v1")
	dead := deadHost(t)
	c := newClient(t, fmt.Sprintf("server = %q\n[host.%q]\n[host.%q]\n[host.%q]\n[host.%q]\n", origin.URL(), "http://"+dead, broken.URL(), empty.URL(), mirror.URL()))
	r := repository(t, c, "docker.io/library/a:v1", Credential{})
	m, err := r.Manifest(t.Context(), "v1")
	if err != nil || m.Digest != d {
		t.Fatalf("%s, %v", m.Bytes, err)
	}
	if namespace.Load() != "docker.io" {
		t.Errorf("the mirror was asked with ns=%v", namespace.Load())
	}
	if n := len(broken.Requests()); n != 1 {
		t.Errorf("the broken mirror was asked %d times", n)
	}
	_, err = r.Manifest(t.Context(), "v2")
	if !errors.Is(err, ErrNotFound) {
		t.Errorf("err = %v", err)
	}
	for _, s := range []string{dead, broken.Host, empty.Host, mirror.Host, origin.Host, "refused", "500", "404", "docker.io/library/a:v2"} {
		if !strings.Contains(err.Error(), s) {
			t.Errorf("the error does not mention %s: %v", s, err)
		}
	}
}

func TestCapabilitiesAreKept(t *testing.T) {
	mirror, origin := registrytest.New(t), registrytest.New(t)
	for _, r := range []*registrytest.Registry{mirror, origin} {
		r.Manifest("a", MediaTypeManifest, []byte(`{}`), "v1")
	}
	c := newClient(t, fmt.Sprintf("server = %q\n[host.%q]\ncapabilities = [\"pull\"]\n", origin.URL(), mirror.URL()))
	r := repository(t, c, "reg.example/a:v1", Credential{})
	m, err := r.Manifest(t.Context(), "v1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Manifest(t.Context(), m.Digest.String()); err != nil {
		t.Fatal(err)
	}
	if q := mirror.Requests(); !slices.Equal(q, []string{"GET /v2/a/manifests/" + m.Digest.String()}) {
		t.Errorf("the mirror was asked %q", q)
	}
}

func TestHostsFileIsReadAgainWhenItChanges(t *testing.T) {
	one, two := registrytest.New(t), registrytest.New(t)
	one.Manifest("a", MediaTypeManifest, []byte(`{"n":1}`), "v1")
	two.Manifest("a", MediaTypeManifest, []byte(`{"n":2}`), "v1")
	dir := t.TempDir()
	c := New(Config{Dir: dir, Backoff: time.Millisecond})
	t.Cleanup(c.Close)
	writeHosts(t, dir, "reg.example", fmt.Sprintf("server = %q\n", one.URL()))
	get := func() string {
		m, err := repository(t, c, "reg.example/a:v1", Credential{}).Manifest(t.Context(), "v1")
		if err != nil {
			t.Fatal(err)
		}
		return string(m.Bytes)
	}
	if got := get(); got != `{"n":1}` {
		t.Errorf("got %s", got)
	}
	writeHosts(t, dir, "reg.example", fmt.Sprintf("server = %q \n", two.URL()))
	if got := get(); got != `{"n":2}` {
		t.Errorf("got %s", got)
	}
}

func TestTLSFromTheConfiguration(t *testing.T) {
	reg := registrytest.NewTLS(t)
	reg.Manifest("a", MediaTypeManifest, []byte(`{}`), "v1")
	dir := t.TempDir()
	writeCertificate(t, filepath.Join(dir, "_default"), reg.Certificate())
	for text, ok := range map[string]bool{"": false, "skip_verify = true": true, `ca = "ca.pem"`: true, `ca = ["ca.pem"]`: true} {
		writeHosts(t, dir, "_default", fmt.Sprintf("server = %q\n%s\n", reg.URL(), text))
		c := New(Config{Dir: dir, Backoff: time.Millisecond})
		_, err := repository(t, c, "reg.example/a:v1", Credential{}).Manifest(t.Context(), "v1")
		if (err == nil) != ok || err != nil && !errors.Is(err, ErrUnavailable) {
			t.Errorf("%q: %v", text, err)
		}
		c.Close()
	}
}

func TestConfiguredHeadersAreSent(t *testing.T) {
	reg := registrytest.New(t)
	reg.Manifest("a", MediaTypeManifest, []byte(`{}`), "v1")
	var got http.Header
	reg.Intercept = func(w http.ResponseWriter, q *http.Request) bool { got = q.Header.Clone(); return false }
	c := newClient(t, fmt.Sprintf("server = %q\n[header]\nx-one = \"1\"\nx-two = [\"a\", \"b\"]\n", reg.URL()))
	if _, err := repository(t, c, "reg.example/a", Credential{}).Manifest(t.Context(), "v1"); err != nil {
		t.Fatal(err)
	}
	if got.Get("X-One") != "1" || !slices.Equal(got["X-Two"], []string{"a", "b"}) || got.Get("User-Agent") != "crisp" {
		t.Errorf("headers: %v", got)
	}
}

func TestRedirectsTakeNoSecretsAlong(t *testing.T) {
	content := bytes.Repeat([]byte("x"), 1000)
	var got http.Header
	cdn := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		got = q.Header.Clone()
		_, _ = w.Write(content)
	}))
	t.Cleanup(cdn.Close)
	reg := registrytest.New(t)
	reg.Intercept = func(w http.ResponseWriter, q *http.Request) bool {
		if _, _, ok := q.BasicAuth(); !ok {
			return false
		}
		http.Redirect(w, q, cdn.URL+"/blob", http.StatusTemporaryRedirect)
		return true
	}
	reg.Auth = &registrytest.Auth{Username: "u", Password: "p"}
	c := newClient(t, fmt.Sprintf("server = %q\n[header]\nx-secret = \"1\"\n", reg.URL()))
	r := repository(t, c, "reg.example/a", Credential{Username: "u", Password: "p"})
	if _, err := r.ReadBlob(t.Context(), Descriptor{digest.FromBytes(content), 1000}, 5000); err != nil {
		t.Fatal(err)
	}
	if got == nil || got.Get("Authorization") != "" || got.Get("X-Secret") != "" {
		t.Errorf("the other host got %v", got)
	}
}

func TestChallengeOfARedirectsTargetGetsNoCredentials(t *testing.T) {
	asked := false
	evil := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if q.URL.Path == "/token" {
			asked = true
		}
		w.Header().Set("WWW-Authenticate", `Bearer realm="http://`+q.Host+`/token"`)
		w.WriteHeader(401)
	}))
	t.Cleanup(evil.Close)
	reg := registrytest.New(t)
	reg.Intercept = func(w http.ResponseWriter, q *http.Request) bool {
		http.Redirect(w, q, evil.URL+"/blob", http.StatusTemporaryRedirect)
		return true
	}
	r := repository(t, newClient(t, ""), reg.Host+"/a", Credential{Username: "u", Password: "p"})
	if _, err := r.Manifest(t.Context(), "v1"); !errors.Is(err, ErrUnauthorized) || asked {
		t.Errorf("err = %v, token asked: %v", err, asked)
	}
}

func TestCredentialsAreNotSentToAnUnencryptedRealm(t *testing.T) {
	l := loginRequest{client: http.DefaultClient, credential: Credential{Username: "u", Password: "p"}, scope: "s",
		challenges: parseChallenges([]string{`Bearer realm="http://auth.example/token"`})}
	if _, _, err := l.answer(t.Context()); !errors.Is(err, ErrUnauthorized) || !strings.Contains(err.Error(), "unencrypted") {
		t.Errorf("err = %v", err)
	}
}

func writeCertificate(t *testing.T, dir string, der []byte) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "ca.pem"), pemCertificate(der), 0o600); err != nil {
		t.Fatal(err)
	}
}
