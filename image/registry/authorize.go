// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

const (
	maxTokenResponse = 1 << 20
	maxTokens        = 1024
	// defaultTokenLife is what a token response without expires_in means (distribution's token specification).
	defaultTokenLife = time.Minute
	// clientID is what we call ourselves when we ask for tokens.
	clientID = "crisp"
	// loginTimeout bounds how long parallel requests wait for the one that fetches the token.
	loginTimeout = 30 * time.Second
)

// sessionKey names what an Authorization header is good for.
type sessionKey struct {
	host       string // scheme and address
	repository string
	actions    string // what the token is for: "pull", or "pull,push"
	credential string // Credential.Key
}

// session is the Authorization header for one host, repository and credential.
type session struct {
	// mu is held while a token is fetched, so that parallel requests fetch one, and guards the fields below.
	mu      sync.Mutex
	header  string
	expires time.Time // zero: never
}

// sessions is the cache of all of them.
type sessions struct {
	// mu guards byKey.
	mu    sync.Mutex
	byKey map[sessionKey]*session
}

func (s *sessions) get(k sessionKey) *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.byKey[k]
	if e == nil {
		if len(s.byKey) >= maxTokens {
			s.byKey = nil // they are only a cache
		}
		if s.byKey == nil {
			s.byKey = map[sessionKey]*session{}
		}
		e = &session{}
		s.byKey[k] = e
	}
	return e
}

// current is the header to send now: "" if none is known or it is about to expire.
func (s *session) current() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.currentLocked()
}

func (s *session) currentLocked() string {
	if !s.expires.IsZero() && time.Now().After(s.expires) {
		return ""
	}
	return s.header
}

// login answers the challenges of a 401: it returns the header to try next. refused is the header that got the 401.
func (s *session) login(ctx context.Context, l loginRequest) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if h := s.currentLocked(); h != "" && h != l.refused {
		return h, nil // another request has logged in meanwhile
	}
	ctx, cancel := context.WithTimeoutCause(ctx, loginTimeout, fmt.Errorf("%w: no token within %s", ErrUnavailable, loginTimeout))
	defer cancel()
	header, life, err := l.answer(ctx)
	if err != nil {
		return "", err
	}
	s.header, s.expires = header, time.Time{}
	if life > 0 {
		// Used up to nine tenths of its life: the clock of the host may be ahead, and the request takes its time.
		s.expires = time.Now().Add(life * 9 / 10)
	}
	return header, nil
}

type loginRequest struct {
	client     *http.Client
	userAgent  string
	plain      bool // the host that asks speaks http
	challenges []challenge
	scope      string
	credential Credential
	refused    string
}

var errNoChallenge = errors.New("the registry asks for an authorization of no known kind")

// answer picks the strongest challenge that can be met.
func (l *loginRequest) answer(ctx context.Context) (header string, life time.Duration, err error) {
	if l.credential.RegistryToken != "" {
		header := "Bearer " + l.credential.RegistryToken
		if header == l.refused {
			return "", 0, fmt.Errorf("%w: the registry token was refused", ErrUnauthorized)
		}
		return header, 0, nil
	}
	for _, c := range l.challenges {
		if c.scheme == "bearer" {
			return l.bearer(ctx, c)
		}
	}
	for _, c := range l.challenges {
		if c.scheme == "basic" {
			return l.basic()
		}
	}
	return "", 0, fmt.Errorf("%w: %w", ErrUnauthorized, errNoChallenge)
}

func (l *loginRequest) basic() (string, time.Duration, error) {
	if l.credential.Username == "" && l.credential.Password == "" {
		return "", 0, fmt.Errorf("%w: the registry asks for a user name and password", ErrUnauthorized)
	}
	header := basicHeader(l.credential)
	if header == l.refused {
		return "", 0, fmt.Errorf("%w: user name and password were refused", ErrUnauthorized)
	}
	return header, 0, nil
}

func basicHeader(c Credential) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(c.Username+":"+c.Password))
}

// bearer fetches a token from the challenge's realm.
func (l *loginRequest) bearer(ctx context.Context, c challenge) (string, time.Duration, error) {
	realm, err := url.Parse(c.params["realm"])
	if err != nil || realm.Host == "" || realm.Scheme != "https" && realm.Scheme != "http" {
		return "", 0, fmt.Errorf("%w: token realm %q is no URL", ErrUnauthorized, c.params["realm"])
	}
	secret := l.credential.Password != "" || l.credential.IdentityToken != ""
	if realm.Scheme == "http" && !l.plain && secret {
		return "", 0, fmt.Errorf("%w: token realm %s would get the credentials unencrypted", ErrUnauthorized, realm.Redacted())
	}
	form := url.Values{}
	if s := c.params["service"]; s != "" {
		form.Set("service", s)
	}
	for _, s := range scopes(c.params["scope"], l.scope) {
		form.Add("scope", s)
	}
	req, err := l.tokenRequest(ctx, realm, form)
	if err != nil {
		return "", 0, err
	}
	token, life, err := l.fetchToken(req)
	if err != nil {
		return "", 0, fmt.Errorf("token from %s: %w", realm.Host, err)
	}
	return "Bearer " + token, life, nil
}

// scopes is what the challenge asks for, or what we need if it does not say.
func scopes(offered, needed string) []string {
	if f := strings.Fields(offered); len(f) > 0 {
		return f
	}
	return []string{needed}
}

func (l *loginRequest) tokenRequest(ctx context.Context, realm *url.URL, form url.Values) (req *http.Request, err error) {
	if l.credential.IdentityToken != "" {
		form.Set("scope", strings.Join(form["scope"], " "))
		form.Set("grant_type", "refresh_token")
		form.Set("client_id", clientID)
		form.Set("refresh_token", l.credential.IdentityToken)
		req, err = http.NewRequestWithContext(ctx, http.MethodPost, realm.String(), strings.NewReader(form.Encode()))
		if err != nil {
			return nil, err
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	} else {
		q := realm.Query()
		for k, v := range form {
			q[k] = v
		}
		realm.RawQuery = q.Encode()
		req, err = http.NewRequestWithContext(ctx, http.MethodGet, realm.String(), nil)
		if err != nil {
			return nil, err
		}
		if l.credential.Username != "" || l.credential.Password != "" {
			req.Header.Set("Authorization", basicHeader(l.credential))
		}
	}
	req.Header.Set("User-Agent", l.userAgent)
	return req, nil
}

func (l *loginRequest) fetchToken(req *http.Request) (string, time.Duration, error) {
	resp, err := l.client.Do(req)
	if err != nil {
		return "", 0, &transportError{withoutURL(err)}
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return "", 0, responseError(resp)
	}
	body, err := readAtMost(resp.Body, maxTokenResponse)
	if err != nil {
		return "", 0, err
	}
	var t struct {
		Token       string `json:"token"`
		AccessToken string `json:"access_token"`
		ExpiresIn   int64  `json:"expires_in"`
	}
	if err := json.Unmarshal(body, &t); err != nil {
		return "", 0, fmt.Errorf("the response is no JSON: %w", err)
	}
	if t.Token == "" {
		t.Token = t.AccessToken
	}
	if t.Token == "" || strings.ContainsAny(t.Token, "\r\n\x00") {
		return "", 0, errors.New("the response has no token")
	}
	life := min(time.Duration(max(t.ExpiresIn, 0)), 86400) * time.Second
	if life == 0 {
		life = defaultTokenLife
	}
	return t.Token, life, nil
}

// withoutURL takes net/http's "Get \"https://…\"" off an error: the URL may carry a secret, and the host is named anyway.
func withoutURL(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}

// readAtMost is io.ReadAll with a limit.
func readAtMost(r io.Reader, limit int64) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, &transportError{err}
	}
	if int64(len(b)) > limit {
		return nil, fmt.Errorf("%w: more than %d bytes", ErrLimit, limit)
	}
	return b, nil
}
