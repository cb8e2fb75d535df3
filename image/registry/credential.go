// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// Credential is how to log in. At most one of the user name, IdentityToken and RegistryToken is used, the last of them that is set.
type Credential struct {
	Username, Password string
	// IdentityToken is an OAuth2 refresh token.
	IdentityToken string
	// RegistryToken is a bearer token for the registry itself.
	RegistryToken string
	// ServerAddress, if set, is the only host that the credential is for; otherwise it is for all hosts of the image's registry.
	ServerAddress string
}

// DecodeAuth reads base64 of "username:password", as it stands in Docker's config.json.
func DecodeAuth(s string) (username, password string, err error) {
	b, err := base64.StdEncoding.DecodeString(strings.TrimRight(s, "\x00\n"))
	if err != nil {
		return "", "", errors.New("auth is not base64") // without the text: it is a secret
	}
	username, password, ok := strings.Cut(string(b), ":")
	if !ok {
		return "", "", errors.New("auth is not base64 of username:password")
	}
	return username, strings.TrimRight(password, "\x00"), nil
}

// CheckServerAddress says whether the address names a host.
func (c Credential) CheckServerAddress() error {
	if c.ServerAddress != "" && serverHost(c.ServerAddress) == "" {
		return fmt.Errorf("server address %q names no host", c.ServerAddress)
	}
	return nil
}

// forHost is the credential, or none if it is for another host.
func (c Credential) forHost(host string) Credential {
	if c.ServerAddress == "" || canonicalHost(serverHost(c.ServerAddress)) == canonicalHost(host) {
		return c
	}
	return Credential{}
}

// serverHost takes the host out of "https://index.docker.io/v1/", "registry.example:5000" and the like.
func serverHost(address string) string {
	if !strings.Contains(address, "://") {
		address = "https://" + address
	}
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Host
}

// canonicalHost makes the names of Docker Hub one, and drops https's port.
func canonicalHost(host string) string {
	host = strings.TrimSuffix(strings.ToLower(host), ":443")
	switch host {
	case "index.docker.io", "registry-1.docker.io":
		return "docker.io"
	}
	return host
}

// Key tells credentials apart without keeping them.
func (c Credential) Key() string {
	if c == (Credential{}) {
		return ""
	}
	h := sha256.New()
	for _, s := range []string{c.Username, c.Password, c.IdentityToken, c.RegistryToken} {
		fmt.Fprintf(h, "%d:%s", len(s), s)
	}
	return hex.EncodeToString(h.Sum(nil))
}
