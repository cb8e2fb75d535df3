// SPDX-License-Identifier: Apache-2.0

//go:build !containers_image_openpgp

package policy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Explain says what the policy wants of an image, by its name alone.
func (p *Policy) Explain(ctx context.Context, im Image) string {
	if err := p.Check(ctx, im); err != nil {
		return err.Error()
	}
	return "accepted"
}

// Check returns nil if there is no policy, or one that accepts everything.
func (p *Policy) Check(_ context.Context, im Image) error {
	files := []string{p.config.File}
	if p.config.NamespaceDir != "" && im.Namespace != "" && filepath.IsLocal(im.Namespace) {
		files = []string{filepath.Join(p.config.NamespaceDir, im.Namespace+".json"), p.config.File}
	}
	for _, file := range files {
		if file == "" {
			continue
		}
		data, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("signature policy: %w", err)
		}
		var rules struct {
			Default    []struct{ Type string }
			Transports map[string]json.RawMessage
		}
		if err := json.Unmarshal(data, &rules); err != nil {
			return fmt.Errorf("signature policy %s: %w", file, err)
		}
		if len(rules.Default) != 1 || rules.Default[0].Type != "insecureAcceptAnything" || rules.Transports["docker"] != nil {
			return fmt.Errorf("%w: %s asks for signatures, and this program was built without them (tag containers_image_openpgp)", ErrRejected, file)
		}
		return nil
	}
	return nil
}
