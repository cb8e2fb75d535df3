// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"crisp/image/reference"
)

const (
	maxHostsFile       = 1 << 20
	defaultDialTimeout = 30 * time.Second
)

// host is a host that is ready to be asked.
type host struct {
	config hostConfig
	client *http.Client
	// name is what errors call it: scheme and address.
	name string
	// repository is the repository's name there; "" is the reference's own.
	repository string
	// namespace is the registry's name, for mirrors: one mirror may serve several registries (containerd's "ns" parameter).
	namespace string
}

// path is what the host calls the repository.
func (h *host) path(ref reference.Reference) string {
	if h.repository != "" {
		return h.repository
	}
	return ref.Path
}

// loaded is a registry's configuration and the files that it was made from.
type loaded struct {
	hosts  []*host
	stamps []stamp
	file   string // "" if no hosts.toml speaks of the registry
}

// stamp tells whether a file has changed.
type stamp struct {
	path  string
	mtime time.Time
	size  int64 // -1: it does not exist
}

func stampOf(path string) stamp {
	fi, err := os.Stat(path)
	if err != nil {
		return stamp{path: path, size: -1}
	}
	return stamp{path: path, mtime: fi.ModTime(), size: fi.Size()}
}

// hostsOf returns the hosts for a registry, first choice first, by its hosts.toml. The configuration is read again when its files have changed.
func (c *Client) hostsOf(domain string) (*loaded, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if l := c.loaded[domain]; l != nil && l.fresh() {
		return l, nil
	}
	l, err := c.load(domain)
	if err != nil {
		return nil, err
	}
	if old := c.loaded[domain]; old != nil {
		for _, h := range old.hosts {
			h.client.CloseIdleConnections()
		}
	}
	c.loaded[domain] = l
	return l, nil
}

func (l *loaded) fresh() bool {
	for _, s := range l.stamps {
		if stampOf(s.path) != s {
			return false
		}
	}
	return true
}

// load reads DIR/domain/hosts.toml, or DIR/_default/hosts.toml, or does without.
func (c *Client) load(domain string) (*loaded, error) {
	l := &loaded{}
	file, text, err := l.read(c.dir, domain)
	if err != nil {
		return nil, err
	}
	if text != nil {
		l.file = file
	}
	configs, warnings, err := parseHosts(text, domain)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	for _, w := range warnings {
		c.log.Warn("registry configuration", "file", file, "warning", w)
	}
	dir := filepath.Dir(file)
	for _, hc := range configs {
		h, err := c.newHost(hc, dir, domain)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		for _, f := range hc.files(dir) {
			l.stamps = append(l.stamps, stampOf(f))
		}
		l.hosts = append(l.hosts, h)
	}
	return l, nil
}

// read finds the file for a registry and returns its text; none if there is no file. It notes what it has looked for.
func (l *loaded) read(base, domain string) (file string, text []byte, err error) {
	for _, name := range []string{domain, "_default"} {
		if base == "" || !filepath.IsLocal(name) {
			continue
		}
		file = filepath.Join(base, name, "hosts.toml")
		st := stampOf(file)
		l.stamps = append(l.stamps, st)
		if st.size > maxHostsFile {
			return file, nil, fmt.Errorf("%s: larger than %d bytes", file, maxHostsFile)
		}
		text, err = os.ReadFile(file)
		if !errors.Is(err, fs.ErrNotExist) {
			return file, text, err
		}
	}
	return file, nil, nil
}

// files are the certificates and keys that the host needs.
func (h *hostConfig) files(dir string) []string {
	var out []string
	for _, f := range h.ca {
		out = append(out, inDir(dir, f))
	}
	for _, pair := range h.client {
		for _, f := range pair {
			if f != "" {
				out = append(out, inDir(dir, f))
			}
		}
	}
	return out
}

func inDir(dir, file string) string {
	if filepath.IsAbs(file) {
		return file
	}
	return filepath.Join(dir, file)
}

func (c *Client) newHost(hc hostConfig, dir, domain string) (*host, error) {
	tlsConfig, err := hc.tls(dir)
	if err != nil {
		return nil, err
	}
	dialTimeout := hc.dialTimeout
	if dialTimeout == 0 {
		dialTimeout = defaultDialTimeout
	}
	h := &host{config: hc, name: hc.url.Scheme + "://" + hc.url.Host}
	if canonicalHost(hc.url.Host) != canonicalHost(domain) {
		h.namespace = domain
	}
	h.client = &http.Client{
		CheckRedirect: h.checkRedirect,
		Transport: &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			DialContext:           (&net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}).DialContext,
			TLSClientConfig:       tlsConfig,
			TLSHandshakeTimeout:   10 * time.Second,
			ResponseHeaderTimeout: c.stall,
			IdleConnTimeout:       60 * time.Second,
			MaxIdleConnsPerHost:   8,
			ForceAttemptHTTP2:     true,
			DisableCompression:    true, // a blob's digest is that of its bytes as they are
			ReadBufferSize:        64 << 10,
		},
	}
	return h, nil
}

// trust makes the host believe what these authorities sign, beside what it does anyway, and gives it certificates of ours.
func (h *host) trust(pool *x509.CertPool, own []tls.Certificate) {
	t := h.tlsConfig()
	if pool != nil {
		t.RootCAs = pool
	}
	t.Certificates = append(t.Certificates, own...)
}

func (h *host) tlsConfig() *tls.Config { return h.client.Transport.(*http.Transport).TLSClientConfig }

func (h *hostConfig) tls(dir string) (*tls.Config, error) {
	t := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: h.skipVerify}
	if len(h.ca) > 0 {
		t.RootCAs = x509.NewCertPool()
	}
	for _, f := range h.ca {
		b, err := os.ReadFile(inDir(dir, f))
		if err != nil {
			return nil, fmt.Errorf("ca: %w", err)
		}
		if !t.RootCAs.AppendCertsFromPEM(b) {
			return nil, fmt.Errorf("ca: %s has no certificate", f)
		}
	}
	for _, pair := range h.client {
		cert, key := inDir(dir, pair[0]), inDir(dir, pair[1])
		if pair[1] == "" {
			key = cert
		}
		c, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			return nil, fmt.Errorf("client: %w", err)
		}
		t.Certificates = append(t.Certificates, c)
	}
	return t, nil
}

const maxRedirects = 5

// checkRedirect keeps what is meant for this host from others: blobs mostly come from a content delivery network.
func (h *host) checkRedirect(req *http.Request, via []*http.Request) error {
	if len(via) > maxRedirects {
		return fmt.Errorf("more than %d redirects", maxRedirects)
	}
	if sameOrigin(req.URL, via[0].URL) {
		return nil
	}
	req.Header.Del("Authorization")
	for name := range h.config.header {
		req.Header.Del(name)
	}
	return nil
}

func sameOrigin(a, b *url.URL) bool { return a.Scheme == b.Scheme && strings.EqualFold(a.Host, b.Host) }

// capable are the hosts that may be asked: tags only where the configuration trusts the host to resolve them.
func capable(hosts []*host, resolve bool) []*host {
	return slices.DeleteFunc(slices.Clone(hosts), func(h *host) bool {
		return resolve && !h.config.resolve || !resolve && !h.config.pull
	})
}
