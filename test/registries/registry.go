// SPDX-License-Identifier: Apache-2.0

package registries

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Config is a registry to start.
type Config struct {
	Program string // build.Distribution or build.DockerRegistry
	Dir     string // an existing directory for its storage, configuration and log
	TLS     bool
	Tokens  *Tokens // nil: everybody may do everything
}

// Registry is a running one.
type Registry struct {
	host string
	cert Certificate
	cmd  *exec.Cmd
	log  *os.File
}

// readyTimeout bounds the time from start to the first answer; it takes a moment.
const readyTimeout = 30 * time.Second

// Start starts a registry and returns when it answers.
func Start(ctx context.Context, c Config) (r *Registry, err error) {
	r = &Registry{}
	if r.host, err = freeAddress(); err != nil {
		return nil, err
	}
	if c.TLS {
		if r.cert, err = NewCertificate(c.Dir); err != nil {
			return nil, err
		}
	}
	config := filepath.Join(c.Dir, "config.yml")
	if err := os.WriteFile(config, []byte(c.yaml(r)), 0o600); err != nil {
		return nil, err
	}
	if r.log, err = os.Create(filepath.Join(c.Dir, "log")); err != nil {
		return nil, err
	}
	r.cmd = exec.Command(c.Program, "serve", config)
	r.cmd.Stdout, r.cmd.Stderr = r.log, r.log
	r.cmd.Env = append(os.Environ(), "OTEL_TRACES_EXPORTER=none")
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := r.cmd.Start(); err != nil {
		return nil, errors.Join(err, r.log.Close())
	}
	if err := r.waitReady(ctx); err != nil {
		text, _ := os.ReadFile(r.log.Name())
		return nil, errors.Join(fmt.Errorf("start of %s: %w; its log:\n%s", c.Program, err, text), r.Close())
	}
	return r, nil
}

// Host is "127.0.0.1:PORT".
func (r *Registry) Host() string { return r.host }

// URL is where it answers: "https://127.0.0.1:PORT".
func (r *Registry) URL() string {
	if r.cert.CA != "" {
		return "https://" + r.host
	}
	return "http://" + r.host
}

// CA is the file with the certificate of a registry with TLS.
func (r *Registry) CA() string { return r.cert.CA }

// Close ends it.
func (r *Registry) Close() error {
	_ = r.cmd.Process.Kill()
	_ = r.cmd.Wait() // "signal: killed"
	return r.log.Close()
}

// freeAddress finds a port that nobody uses now.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

func (c Config) yaml(r *Registry) string {
	var b strings.Builder
	fmt.Fprintf(&b, "version: 0.1\nlog:\n  level: warn\nstorage:\n  delete:\n    enabled: true\n  filesystem:\n    rootdirectory: %s\n",
		filepath.Join(c.Dir, "storage"))
	fmt.Fprintf(&b, "http:\n  addr: %s\n  secret: none\n", r.host)
	if c.TLS {
		fmt.Fprintf(&b, "  tls:\n    certificate: %s\n    key: %s\n", r.cert.CA, r.cert.Key)
	}
	if c.Tokens != nil {
		fmt.Fprintf(&b, "auth:\n  token:\n    realm: %s\n    service: %s\n    issuer: %s\n    rootcertbundle: %s\n",
			c.Tokens.URL(), service, issuer, c.Tokens.cert.CA)
	}
	return b.String()
}

func (r *Registry) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true} //nolint:gosec // it only waits
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.URL()+"/v2/", nil)
		if err != nil {
			return err
		}
		if resp, err := transport.RoundTrip(req); err == nil {
			return resp.Body.Close()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}
