// SPDX-License-Identifier: Apache-2.0

package image

import (
	"context"
	"fmt"

	"crisp/image/reference"
	"crisp/image/registries"
	"crisp/image/registry"
)

// Tags lists a repository's tags, without a store: c says how registries are reached. Of a short name that is searched, the first
// registry that has it answers.
func Tags(ctx context.Context, c Config, name string, auth *Auth) ([]string, error) {
	cred, err := auth.credential()
	if err != nil {
		return nil, err
	}
	sources := registries.New(c.Registries)
	client := registry.New(registry.Config{
		Dir: c.RegistryDir, Sources: sources.Sources, Credentials: sources.Credential, UserAgent: c.UserAgent, Stall: c.StallTimeout, Log: c.Log,
	})
	defer client.Close()
	names, err := sources.Names(name)
	if err != nil {
		return nil, fmt.Errorf("%.256q: %w", name, err)
	}
	var last error
	for _, n := range names {
		ref, err := reference.Parse(n)
		if err != nil {
			return nil, err
		}
		repo, err := client.Repository(ref, cred)
		if err != nil {
			return nil, err
		}
		tags, err := repo.Tags(ctx)
		if err == nil {
			return tags, nil
		}
		last = translate(err)
	}
	return nil, last
}
