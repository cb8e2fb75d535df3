// SPDX-License-Identifier: Apache-2.0

package registries

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	containersref "go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/pkg/sysregistriesv2"
	"go.podman.io/image/v5/types"

	"crisp/image/reference"
	"crisp/image/registry"
)

// ErrBlocked: the node's configuration forbids the registry.
var ErrBlocked = errors.New("registry is blocked")

// Config says where the files are. Files and directories that are not there are no error, and "" means none.
type Config struct {
	Conf     string   // registries.conf
	ConfDir  string   // registries.conf.d
	CertDirs []string // each with directories HOST:PORT
	AuthFile string   // auth.json or config.json
	// NamespaceAuthDir has files of credentials for one namespace and image.
	NamespaceAuthDir string
	Log              *slog.Logger // default slog.Default
}

// Registries is safe for concurrent use.
type Registries struct {
	config  Config
	context types.SystemContext
	log     *slog.Logger

	// mu guards what follows.
	mu     sync.Mutex
	stamps map[string]stamp
	good   bool // it has been read at least once
	failed bool // the last reading; what was read before counts
	err    error
}

type stamp struct {
	mtime time.Time
	size  int64
}

// What stands for files that are not there: without a path, the library would look in the system's places.
const (
	nothing    = "/dev/null"
	nothingDir = "/nonexistent"
)

// New makes a Registries. The files are read when they are asked for.
func New(c Config) *Registries {
	r := &Registries{config: c, log: c.Log}
	if r.log == nil {
		r.log = slog.Default()
	}
	r.context = types.SystemContext{
		SystemRegistriesConfPath: nothing, SystemRegistriesConfDirPath: nothingDir, UserShortNameAliasConfPath: nothing, AuthFilePath: nothing,
	}
	return r
}

// System is containers/image's view of the files, which are read again if they have changed.
func (r *Registries) System() (*types.SystemContext, error) {
	c, err := r.system()
	if err != nil {
		return nil, err
	}
	if len(r.config.CertDirs) > 0 {
		c.DockerPerHostCertDirPath = r.config.CertDirs[0]
	}
	c.AuthFilePath = existing(r.config.AuthFile, nothing)
	return c, nil
}

func (r *Registries) system() (*types.SystemContext, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now := r.look(); r.stamps == nil || !same(now, r.stamps) {
		r.stamps = now
		r.read()
	}
	c := r.context
	return &c, r.err
}

// look notes the times of all files that registries.conf may be made of.
func (r *Registries) look() map[string]stamp {
	paths := []string{r.config.Conf}
	if r.config.ConfDir != "" {
		more, _ := filepath.Glob(filepath.Join(r.config.ConfDir, "*.conf")) // the pattern is a good one
		paths = append(paths, more...)
	}
	all := map[string]stamp{}
	for _, p := range paths {
		if st, err := os.Stat(p); err == nil {
			all[p] = stamp{st.ModTime(), st.Size()}
		}
	}
	return all
}

func same(a, b map[string]stamp) bool {
	if len(a) != len(b) {
		return false
	}
	for k, v := range a {
		if w, ok := b[k]; !ok || !v.mtime.Equal(w.mtime) || v.size != w.size {
			return false
		}
	}
	return true
}

// read reads registries.conf. Without one that could ever be read, the error is everybody's.
func (r *Registries) read() {
	next := r.context
	next.SystemRegistriesConfPath, next.SystemRegistriesConfDirPath = existing(r.config.Conf, nothing), existing(r.config.ConfDir, nothingDir)
	_, err := sysregistriesv2.TryUpdatingCache(&next)
	if err == nil {
		if r.failed {
			r.log.Info("registries.conf can be read again")
		}
		r.context, r.good, r.failed, r.err = next, true, false, nil
		return
	}
	err = fmt.Errorf("registries.conf: %w", err)
	if r.failed = true; !r.good {
		r.err = err
		return
	}
	r.log.Error("what was read before goes on to count", "error", err)
}

func existing(path, instead string) string {
	if path == "" {
		return instead
	}
	if _, err := os.Stat(path); err != nil {
		return instead
	}
	return path
}

// Sources are the places that have a repository's images, first choice first; none where the configuration does not speak of it.
// ErrBlocked if it is forbidden.
func (r *Registries) Sources(ref reference.Reference) ([]registry.Source, error) {
	system, err := r.system()
	if err != nil {
		return nil, err
	}
	named, err := containersref.ParseNamed(sourceName(ref))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", ref, err)
	}
	found, err := sysregistriesv2.FindRegistry(system, named.String())
	if err != nil {
		return nil, fmt.Errorf("registries.conf: %w", err)
	}
	if found == nil {
		dirs := r.certDirs(ref.Domain)
		if len(dirs) == 0 {
			return nil, nil
		}
		return []registry.Source{{Host: ref.Domain, Repository: ref.Path, CertDirs: dirs}}, nil
	}
	if found.Blocked {
		return nil, fmt.Errorf("%w: %s, by registries.conf (prefix %q)", ErrBlocked, ref.Name(), found.Prefix)
	}
	pulls, err := found.PullSourcesFromReference(named)
	if err != nil {
		return nil, fmt.Errorf("registries.conf: %w", err)
	}
	var sources []registry.Source
	for _, p := range pulls {
		host := containersref.Domain(p.Reference)
		sources = append(sources, registry.Source{
			Host: host, Repository: containersref.Path(p.Reference), Insecure: p.Endpoint.Insecure, CertDirs: r.certDirs(host),
		})
	}
	return sources, nil
}

// sourceName is what decides which mirrors count: the digest if there is one, else the tag.
func sourceName(ref reference.Reference) string {
	if ref.Digest != "" {
		return ref.Canonical()
	}
	return ref.Name() + ":" + ref.Tag
}

// certDirs are the directories with certificates for a host.
func (r *Registries) certDirs(host string) []string {
	var dirs []string
	for _, base := range r.config.CertDirs {
		if !filepath.IsLocal(host) {
			continue
		}
		dir := filepath.Join(base, host)
		if st, err := os.Stat(dir); err == nil && st.IsDir() {
			dirs = append(dirs, dir)
		}
	}
	return dirs
}

// ErrAmbiguous: a short name may mean images of several registries, and the configuration forbids guessing.
var ErrAmbiguous = errors.New("short name is ambiguous")

// Names are the full names that an image name may mean, first choice first. A name with a registry means itself; a short one
// what an alias says, or else one of each registry that is searched, or else that of Docker Hub. With short-name-mode "enforcing" and
// several registries to search, that is ErrAmbiguous: nobody is there to be asked (containers-registries.conf(5), "SHORT-NAME").
func (r *Registries) Names(name string) ([]string, error) {
	if !isShort(name) {
		return []string{name}, nil
	}
	system, err := r.system()
	if err != nil {
		return nil, err
	}
	repository, rest := splitName(name)
	alias, _, err := sysregistriesv2.ResolveShortNameAlias(system, repository)
	if err != nil {
		return nil, fmt.Errorf("short name %q: %w", name, err)
	}
	if alias != nil {
		return []string{alias.Name() + rest}, nil
	}
	search, origin, err := sysregistriesv2.UnqualifiedSearchRegistriesWithOrigin(system)
	if err != nil {
		return nil, fmt.Errorf("registries.conf: %w", err)
	}
	if len(search) == 0 {
		return []string{name}, nil
	}
	mode, err := sysregistriesv2.GetShortNameMode(system)
	if err != nil {
		return nil, fmt.Errorf("registries.conf: %w", err)
	}
	if mode == types.ShortNameModeEnforcing && len(search) > 1 {
		return nil, fmt.Errorf("%w: %q may be at any of %s (%s), and short-name-mode is enforcing", ErrAmbiguous, name, strings.Join(search, ", "), origin)
	}
	var names []string
	for _, host := range search {
		names = append(names, host+"/"+name)
	}
	return names, nil
}

// isShort: no part of the name says which registry is meant (as docker and everybody else reads names).
func isShort(name string) bool {
	first, _, slash := strings.Cut(name, "/")
	return !slash || !strings.ContainsAny(first, ".:") && first != "localhost"
}

// splitName takes tag and digest off a short name.
func splitName(name string) (repository, rest string) {
	end := len(name)
	if i := strings.IndexByte(name, '@'); i >= 0 {
		end = i
	}
	if i := strings.LastIndexByte(name[:end], ':'); i > strings.LastIndexByte(name[:end], '/') {
		end = i
	}
	return name[:end], name[end:]
}

// exists tells whether a file is there; other errors are told.
func exists(path string) (bool, error) {
	_, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}
