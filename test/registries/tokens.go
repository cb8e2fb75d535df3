// SPDX-License-Identifier: Apache-2.0

package registries

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"
)

const (
	service = "crisp test registry"
	issuer  = "crisp test tokens"
)

// Tokens is a token server (distribution's "Token Authentication Specification"): it signs what the right user asks for.
type Tokens struct {
	Username, Password string
	// Refresh is an identity token that stands for the user, by POST.
	Refresh string

	server *httptest.Server
	cert   Certificate

	// mu guards given.
	mu    sync.Mutex
	given []string
}

// StartTokens starts a token server with files in dir.
func StartTokens(dir, username, password, refresh string) (*Tokens, error) {
	cert, err := NewCertificate(dir)
	if err != nil {
		return nil, err
	}
	t := &Tokens{Username: username, Password: password, Refresh: refresh, cert: cert}
	pair, err := tls.LoadX509KeyPair(cert.CA, cert.Key)
	if err != nil {
		return nil, err
	}
	t.server = httptest.NewUnstartedServer(http.HandlerFunc(t.serve))
	t.server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	t.server.StartTLS()
	return t, nil
}

// CA is the file with the server's certificate.
func (t *Tokens) CA() string { return t.cert.CA }

// URL is the realm, by https.
func (t *Tokens) URL() string { return t.server.URL }

// Close ends it.
func (t *Tokens) Close() { t.server.Close() }

// Given lists the scopes of the tokens so far.
func (t *Tokens) Given() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]string(nil), t.given...)
}

func (t *Tokens) serve(w http.ResponseWriter, q *http.Request) {
	user, password, _ := q.BasicAuth()
	known := user == t.Username && password == t.Password ||
		q.Method == http.MethodPost && t.Refresh != "" && q.FormValue("refresh_token") == t.Refresh
	if !known || q.FormValue("service") != service {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	scopes := strings.Fields(strings.Join(q.Form["scope"], " "))
	t.mu.Lock()
	t.given = append(t.given, scopes...)
	t.mu.Unlock()
	token, err := t.sign(scopes)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"token": token, "access_token": token, "expires_in": 300})
}

// sign makes a JSON web token (RFC 7519) with the certificate in its header.
func (t *Tokens) sign(scopes []string) (string, error) {
	var access []map[string]any
	for _, s := range scopes {
		parts := strings.Split(s, ":")
		if len(parts) < 3 {
			return "", fmt.Errorf("scope %q", s)
		}
		name := strings.Join(parts[1:len(parts)-1], ":")
		access = append(access, map[string]any{"type": parts[0], "name": name, "actions": strings.Split(parts[len(parts)-1], ",")})
	}
	now := time.Now()
	header, err := encode(map[string]any{"typ": "JWT", "alg": "ES256", "x5c": []string{base64.StdEncoding.EncodeToString(t.cert.der)}})
	if err != nil {
		return "", err
	}
	claims, err := encode(map[string]any{
		"iss": issuer, "sub": t.Username, "aud": service, "exp": now.Add(5 * time.Minute).Unix(), "nbf": now.Add(-time.Minute).Unix(),
		"iat": now.Unix(), "jti": rand.Text(), "access": access,
	})
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(header + "." + claims))
	r, s, err := ecdsa.Sign(rand.Reader, t.cert.private, sum[:])
	if err != nil {
		return "", err
	}
	signature := make([]byte, 64)
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return header + "." + claims + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}

func encode(v any) (string, error) {
	b, err := json.Marshal(v)
	return base64.RawURLEncoding.EncodeToString(b), err
}
