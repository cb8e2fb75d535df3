// SPDX-License-Identifier: Apache-2.0

package image

import (
	"fmt"

	"crisp/image/registry"
)

// Auth is the CRI's AuthConfig: any one of its five kinds of credentials, or none.
type Auth struct {
	Username, Password string
	// Auth is base64 of "username:password".
	Auth string
	// ServerAddress, if set, is the only registry the credentials are for.
	ServerAddress string
	// IdentityToken is an OAuth2 refresh token, exchanged for access tokens.
	IdentityToken string
	// RegistryToken is a bearer token, sent as it is.
	RegistryToken string
}

// credential is a in the registry's terms.
func (a *Auth) credential() (c registry.Credential, err error) {
	if a == nil {
		return c, nil
	}
	c = registry.Credential{Username: a.Username, Password: a.Password, IdentityToken: a.IdentityToken,
		RegistryToken: a.RegistryToken, ServerAddress: a.ServerAddress}
	if a.Auth != "" && a.Username == "" {
		if c.Username, c.Password, err = registry.DecodeAuth(a.Auth); err != nil {
			return c, fmt.Errorf("%w: %w", ErrUnauthorized, err)
		}
	}
	return c, nil
}
