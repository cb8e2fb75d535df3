// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// maxHosts bounds one configuration.
const maxHosts = 64

// hostConfig is one host as hosts.toml describes it.
type hostConfig struct {
	url           *url.URL // with the path up to "/v2"
	resolve, pull bool
	skipVerify    bool
	ca            []string    // files
	client        [][2]string // files: certificate, key ("" if it is in the same file)
	header        http.Header
	dialTimeout   time.Duration
}

// hostsFile is the form that containerd documents (docs/hosts.md). Strings and lists are both taken where containerd takes both.
type hostsFile struct {
	Server string `toml:"server"`
	hostTable
	Host map[string]hostTable `toml:"host"`
}

type hostTable struct {
	Capabilities []string       `toml:"capabilities"`
	CA           any            `toml:"ca"`
	Client       any            `toml:"client"`
	SkipVerify   bool           `toml:"skip_verify"`
	Header       map[string]any `toml:"header"`
	OverridePath bool           `toml:"override_path"`
	DialTimeout  string         `toml:"dial_timeout"`
}

// parseHosts reads a hosts.toml for the registry named domain:
//
//	server = "https://registry-1.docker.io"      the registry's own host; asked last. Default: the one that the name means
//	capabilities, ca, …                          as below, for the server
//
//	[host."https://mirror.example:5000/some/path"]   mirrors, asked in the order of the file
//	  capabilities = ["pull", "resolve"]         "resolve" is needed to ask it what a tag means; default both
//	  ca = "ca.pem" or a list                    instead of the system's; relative to the file
//	  client = "both.pem" or ["a.pem"] or [["cert.pem", "key.pem"]]
//	  skip_verify = true                         any certificate will do
//	  override_path = true                       the URL's path is used as it is: no "/v2" is added
//	  dial_timeout = "5s"
//	  [host."https://…".header]
//	    x-name = "value" or a list
//
// Unknown keys are returned as warnings, with their lines: containerd may have got new ones.
func parseHosts(b []byte, domain string) (hosts []hostConfig, warnings []string, err error) {
	var f hostsFile
	d := toml.NewDecoder(bytes.NewReader(b)).DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		strict, ok := errors.AsType[*toml.StrictMissingError](err)
		if !ok {
			return nil, nil, tomlError(err)
		}
		for _, e := range strict.Errors {
			row, _ := e.Position()
			warnings = append(warnings, fmt.Sprintf("line %d: unknown key %s", row, strings.Join(e.Key(), ".")))
		}
		f = hostsFile{}
		if err := toml.Unmarshal(b, &f); err != nil {
			return nil, nil, tomlError(err)
		}
	}
	if len(f.Host) > maxHosts {
		return nil, nil, fmt.Errorf("more than %d hosts", maxHosts)
	}
	for _, name := range hostOrder(b, f.Host) {
		h, err := f.Host[name].config(name)
		if err != nil {
			return nil, nil, fmt.Errorf("host %q: %w", name, err)
		}
		hosts = append(hosts, h)
	}
	if f.Server == "" {
		f.Server = defaultServer(domain)
		f.OverridePath = false
	}
	server, err := f.hostTable.config(f.Server)
	if err != nil {
		return nil, nil, fmt.Errorf("server %q: %w", f.Server, err)
	}
	return append(hosts, server), warnings, nil
}

// tomlError gives a decoding error its line.
func tomlError(err error) error {
	if e, ok := errors.AsType[*toml.DecodeError](err); ok {
		row, col := e.Position()
		return fmt.Errorf("line %d, column %d: %w", row, col, err)
	}
	return err
}

// hostOrder lists the names of the [host."…"] tables as they stand in the file, which decoding into a map loses.
func hostOrder(b []byte, hosts map[string]hostTable) []string {
	var order []string
	p := unstable.Parser{}
	p.Reset(b)
	for p.NextExpression() {
		e := p.Expression()
		if e.Kind != unstable.Table && e.Kind != unstable.KeyValue {
			continue
		}
		var key []string
		for it := e.Key(); it.Next(); {
			key = append(key, string(it.Node().Data))
		}
		if len(key) < 2 || key[0] != "host" || slices.Contains(order, key[1]) {
			continue
		}
		if _, ok := hosts[key[1]]; ok {
			order = append(order, key[1])
		}
	}
	// Inline tables (host = {…}) have no place of their own: they follow by name.
	var rest []string
	for name := range hosts {
		if !slices.Contains(order, name) {
			rest = append(rest, name)
		}
	}
	slices.Sort(rest)
	return append(order, rest...)
}

func (t hostTable) config(name string) (h hostConfig, err error) {
	if h.url, err = hostURL(name, t.OverridePath); err != nil {
		return h, err
	}
	if err := h.setCapabilities(t.Capabilities); err != nil {
		return h, err
	}
	h.skipVerify = t.SkipVerify
	if h.ca, err = stringOrList("ca", t.CA); err != nil {
		return h, err
	}
	if h.client, err = clientPairs(t.Client); err != nil {
		return h, err
	}
	if h.header, err = headers(t.Header); err != nil {
		return h, err
	}
	if t.DialTimeout != "" {
		if h.dialTimeout, err = time.ParseDuration(t.DialTimeout); err != nil || h.dialTimeout <= 0 {
			return h, fmt.Errorf("dial_timeout %q is no positive duration", t.DialTimeout)
		}
	}
	return h, nil
}

func (h *hostConfig) setCapabilities(names []string) error {
	if names == nil {
		h.resolve, h.pull = true, true
	}
	for _, c := range names {
		switch strings.ToLower(c) {
		case "resolve":
			h.resolve = true
		case "pull":
			h.pull = true
		case "push", "referrers": // not for us
		default:
			return fmt.Errorf("unknown capability %q", c)
		}
	}
	return nil
}

// hostURL reads "https://host:port/path" or "host:port" and completes the path.
func hostURL(s string, override bool) (*url.URL, error) {
	if !strings.Contains(s, "://") {
		s = defaultScheme(s) + "://" + s
	}
	u, err := url.Parse(s)
	if err != nil {
		return nil, err
	}
	if u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("not of the form https://host:port/path")
	}
	u.Path = strings.TrimSuffix(path.Clean("/"+u.Path), "/")
	u.RawPath = ""
	if !override && !strings.HasSuffix(u.Path, "/v2") {
		u.Path += "/v2"
	}
	return u, nil
}

// defaultServer is the host that serves a registry's name when nothing is configured.
func defaultServer(domain string) string {
	if domain == "docker.io" {
		return "https://registry-1.docker.io"
	}
	return defaultScheme(domain) + "://" + domain
}

// defaultScheme is http for the machine itself, https for the rest of the world.
func defaultScheme(hostport string) string {
	host := hostport
	if i := strings.IndexByte(hostport, '/'); i >= 0 {
		host = hostport[:i]
	}
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.Trim(host, "[]")
	if host == "localhost" {
		return "http"
	}
	if ip, err := netip.ParseAddr(host); err == nil && ip.IsLoopback() {
		return "http"
	}
	return "https"
}

func stringOrList(key string, v any) ([]string, error) {
	switch v := v.(type) {
	case nil:
		return nil, nil
	case string:
		return []string{v}, nil
	case []any:
		var out []string
		for _, e := range v {
			s, ok := e.(string)
			if !ok {
				return nil, fmt.Errorf("%s has a %T in its list, not a string", key, e)
			}
			out = append(out, s)
		}
		return out, nil
	}
	return nil, fmt.Errorf("%s is a %T, not a string or a list", key, v)
}

func clientPairs(v any) ([][2]string, error) {
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	if v == nil {
		return nil, nil
	}
	var out [][2]string
	for _, e := range list {
		pair, err := stringOrList("client", e)
		if err != nil {
			return nil, err
		}
		switch len(pair) {
		case 1:
			out = append(out, [2]string{pair[0], ""})
		case 2:
			out = append(out, [2]string{pair[0], pair[1]})
		default:
			return nil, fmt.Errorf("client has a list of %d files, not of certificate and key", len(pair))
		}
	}
	return out, nil
}

func headers(m map[string]any) (http.Header, error) {
	h := http.Header{}
	for name, v := range m {
		values, err := stringOrList("header "+name, v)
		if err != nil {
			return nil, err
		}
		for _, s := range values {
			if strings.ContainsAny(name+s, "\r\n\x00") {
				return nil, fmt.Errorf("header %q has a line break", name)
			}
			h.Add(name, s)
		}
	}
	return h, nil
}
