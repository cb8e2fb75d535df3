// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"crisp/image/reference"
)

// Source is a place that has the images of a repository: a mirror, or the registry itself.
type Source struct {
	// Host is "registry.example:5000".
	Host string
	// Repository is the repository's name there.
	Repository string
	// Insecure takes any certificate, and plain HTTP if there is no TLS.
	Insecure bool
	// CertDirs have the host's certificates, as containers-certs.d(5) says: *.crt of authorities, *.cert and *.key of ours.
	CertDirs []string
}

// made is a host that was made of a source, and the files that it was made from.
type made struct {
	*host
	stamps []stamp
}

func (m *made) fresh() bool {
	for _, s := range m.stamps {
		if stampOf(s.path) != s {
			return false
		}
	}
	return true
}

// hostsFor returns the hosts for a repository, first choice first: those of hosts.toml if it speaks of the registry, else the sources.
func (c *Client) hostsFor(ref reference.Reference) ([]*host, error) {
	l, err := c.hostsOf(ref.Domain)
	if err != nil || l.file != "" || c.sources == nil {
		if err != nil {
			return nil, err
		}
		return l.hosts, nil
	}
	sources, err := c.sources(ref)
	if err != nil {
		return nil, err
	}
	var hosts []*host
	for _, s := range sources {
		for _, scheme := range s.schemes() {
			h, err := c.hostOf(s, scheme)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", s.Host, err)
			}
			own := *h
			own.repository = s.Repository
			hosts = append(hosts, &own)
		}
	}
	if len(hosts) == 0 {
		return l.hosts, nil
	}
	return hosts, nil
}

// schemes are those to try, in their order. The machine itself is trusted with plain HTTP, as in defaultScheme.
func (s *Source) schemes() []string {
	switch {
	case s.Insecure:
		return []string{"https", "http"}
	case defaultScheme(s.Host) == "http" && len(s.CertDirs) == 0:
		return []string{"http"}
	}
	return []string{"https"}
}

// hostOf makes the host of a source, or finds it made.
func (c *Client) hostOf(s Source, scheme string) (*host, error) {
	key := fmt.Sprint(scheme, "://", s.Host, s.Insecure, s.CertDirs)
	c.mu.Lock()
	defer c.mu.Unlock()
	if m := c.made[key]; m != nil && m.fresh() {
		return m.host, nil
	}
	u, err := url.Parse(scheme + "://" + serverOf(s.Host) + "/v2")
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("%q is no host", s.Host)
	}
	m := &made{}
	pool, own, err := m.certificates(s.CertDirs)
	if err != nil {
		return nil, err
	}
	h, err := c.newHost(hostConfig{url: u, resolve: true, pull: true, skipVerify: s.Insecure}, "", s.Host)
	if err != nil {
		return nil, err
	}
	h.trust(pool, own)
	m.host = h
	if old := c.made[key]; old != nil {
		old.client.CloseIdleConnections()
	}
	c.made[key] = m
	return h, nil
}

// serverOf is the address behind a registry's name.
func serverOf(name string) string {
	if name == "docker.io" {
		return "registry-1.docker.io"
	}
	return name
}

// certificates reads the directories: authorities beside the system's, and our own certificates.
func (m *made) certificates(dirs []string) (pool *x509.CertPool, own []tls.Certificate, err error) {
	for _, dir := range dirs {
		m.stamps = append(m.stamps, stampOf(dir))
		entries, err := os.ReadDir(dir)
		if err != nil {
			return nil, nil, err
		}
		for _, e := range entries {
			path := filepath.Join(dir, e.Name())
			m.stamps = append(m.stamps, stampOf(path))
			switch filepath.Ext(path) {
			case ".crt":
				if pool, err = addAuthority(pool, path); err != nil {
					return nil, nil, err
				}
			case ".cert":
				pair, err := tls.LoadX509KeyPair(path, strings.TrimSuffix(path, ".cert")+".key")
				if err != nil {
					return nil, nil, fmt.Errorf("client certificate: %w", err)
				}
				own = append(own, pair)
			}
		}
	}
	return pool, own, nil
}

func addAuthority(pool *x509.CertPool, path string) (*x509.CertPool, error) {
	if pool == nil {
		var err error
		if pool, err = x509.SystemCertPool(); err != nil {
			return nil, err
		}
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if !pool.AppendCertsFromPEM(data) {
		return nil, fmt.Errorf("%s has no certificate", path)
	}
	return pool, nil
}
