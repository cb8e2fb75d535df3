// SPDX-License-Identifier: Apache-2.0

package registrytest

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
)

// Auth guards a Registry. With Bearer, tokens come from the registry's own /token.
type Auth struct {
	Username, Password string
	// Identity is the refresh token that /token takes by POST.
	Identity string
	// Bearer asks for tokens instead of the password.
	Bearer bool
	// Anonymous lets /token give tokens to everybody.
	Anonymous bool
	// Lifetime of tokens in seconds as the response says; 0 leaves it out.
	Lifetime int

	generation atomic.Int64 // what tokens are made of
	Fetched    atomic.Int64 // tokens given
}

// Revoke makes all tokens invalid.
func (a *Auth) Revoke() { a.generation.Add(1) }

// Token is the token that is valid now.
func (a *Auth) Token() string { return fmt.Sprintf("token-%d", a.generation.Load()) }

func (a *Auth) allow(w http.ResponseWriter, q *http.Request, url string) bool {
	if q.URL.Path == "/token" {
		a.serveToken(w, q)
		return false
	}
	user, pass, basic := q.BasicAuth()
	switch {
	case a.Bearer && q.Header.Get("Authorization") == "Bearer "+a.Token():
		return true
	case !a.Bearer && basic && user == a.Username && pass == a.Password:
		return true
	}
	if a.Bearer {
		repo, _, _ := strings.Cut(strings.TrimPrefix(q.URL.Path, "/v2/"), "/manifests/")
		w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="%s/token",service="test",scope="repository:%s:pull"`, url, repo))
	} else {
		w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
	}
	Fail(w, 401, "UNAUTHORIZED", "authentication required")
	return false
}

func (a *Auth) serveToken(w http.ResponseWriter, q *http.Request) {
	user, pass, basic := q.BasicAuth()
	ok := q.Method == http.MethodGet && (a.Anonymous && !basic || basic && user == a.Username && pass == a.Password)
	if q.Method == http.MethodPost {
		ok = a.Identity != "" && q.FormValue("refresh_token") == a.Identity && q.FormValue("grant_type") == "refresh_token" && q.FormValue("client_id") != ""
	}
	if !ok || q.FormValue("scope") == "" || q.FormValue("service") != "test" {
		Fail(w, 401, "DENIED", "wrong credentials")
		return
	}
	a.Fetched.Add(1)
	life := ""
	if a.Lifetime > 0 {
		life = fmt.Sprintf(`,"expires_in":%d`, a.Lifetime)
	}
	fmt.Fprintf(w, `{"access_token":%q%s}`, a.Token(), life)
}
