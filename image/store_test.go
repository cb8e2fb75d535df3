// SPDX-License-Identifier: Apache-2.0

package image

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"crisp/image/internal/registrytest"
	"crisp/image/internal/tartest"
)

func TestPulledImageIsDescribed(t *testing.T) {
	reg := registrytest.New(t)
	pushed := reg.Push(t, "team/app", app(t, "hello"), "v1")
	s := open(t, t.TempDir())
	im := pullIt(t, s, reg.Host+"/team/app:v1")
	if im.ID != pushed.ID.String() || im.Size == 0 || len(im.Layers) != 2 || im.Config.Config.Env[0] != "A=B" {
		t.Errorf("%+v", im)
	}
	wantStrings(t, "tags", im.RepoTags, reg.Host+"/team/app:v1")
	wantStrings(t, "digests", im.RepoDigests, reg.Host+"/team/app@"+pushed.Digest.String())
	if uid, name := im.User(); uid == nil || *uid != 1000 || name != "" {
		t.Errorf("user %v %q", uid, name)
	}
	if u, err := s.Usage(t.Context()); err != nil || u.Bytes == 0 || u.Inodes < 8 || u.Mountpoint != s.root {
		t.Errorf("usage %+v, %v", u, err)
	}
}

func TestImageIsFoundByEveryKindOfReference(t *testing.T) {
	reg := registrytest.New(t)
	pushed := reg.Push(t, "library/app", app(t, "hello"), "latest")
	dir := t.TempDir()
	hosts := filepath.Join(dir, "docker.io")
	if err := os.MkdirAll(hosts, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(hosts, "hosts.toml"), []byte("[host.\""+reg.URL()+"\"]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := open(t, t.TempDir(), func(c *Config) { c.RegistryDir = dir })
	im := pullIt(t, s, "app")
	wantStrings(t, "tags", im.RepoTags, "docker.io/library/app:latest") // the mirror's name appears nowhere
	hex := strings.TrimPrefix(im.ID, "sha256:")
	for _, ref := range []string{im.ID, hex, hex[:12], "sha256:" + hex[:12], "app", "app:latest", "library/app", "docker.io/library/app:latest",
		"app@" + pushed.Digest.String(), "app:latest@" + pushed.Digest.String(), "app:other@" + pushed.Digest.String(), pushed.Digest.String()} {
		if got, err := s.Get(ref); err != nil || got != im {
			t.Errorf("Get(%q) = %v, %v", ref, got, err)
		}
	}
	wantGone(t, s, "", "app:v2", "other", hex[:2], "sha256:", "app@sha256:"+hex, "sha256:"+strings.Repeat("0", 64), "\x00", strings.Repeat("a", 5000))
}

func TestPullByDigestGivesNoTag(t *testing.T) {
	reg := registrytest.New(t)
	pushed := reg.Push(t, "app", app(t, "hello"), "v1")
	for _, ref := range []string{"app@", "app:v1@"} {
		s := open(t, t.TempDir())
		im := pullIt(t, s, reg.Host+"/"+ref+pushed.Digest.String())
		wantStrings(t, "tags", im.RepoTags)
		wantStrings(t, "digests", im.RepoDigests, reg.Host+"/app@"+pushed.Digest.String())
	}
}

func TestSameImageFromTwoRegistriesHasOneID(t *testing.T) {
	one, two := registrytest.New(t), registrytest.New(t)
	root := t.TempDir()
	s := open(t, root)
	var ids []string
	for _, reg := range []*registrytest.Registry{one, two} {
		reg.Push(t, "app", app(t, "hello"), "v1", "v2")
		for _, tag := range []string{"v1", "v2"} {
			ids = append(ids, pullIt(t, s, reg.Host+"/app:"+tag).ID)
		}
	}
	for _, id := range ids {
		if id != ids[0] {
			t.Fatalf("IDs: %q", ids)
		}
	}
	if l := s.List(); len(l) != 1 || len(l[0].RepoTags) != 4 || len(l[0].RepoDigests) != 2 {
		t.Errorf("%+v", l)
	}
	s.Close()
	s = open(t, root)
	if l := s.List(); len(l) != 1 || len(l[0].RepoTags) != 4 || len(l[0].RepoDigests) != 2 {
		t.Errorf("after a restart: %+v", l)
	}
	// Removing it by one name removes all.
	if err := s.Remove(t.Context(), two.Host+"/app:v2"); err != nil {
		t.Fatal(err)
	}
	wantGone(t, s, ids[0], one.Host+"/app:v1", one.Host+"/app:v2", two.Host+"/app:v1")
	if u, _ := s.Usage(t.Context()); len(s.List()) != 0 || u.Bytes != 0 || u.Inodes != 0 {
		t.Errorf("left over: %v, %+v", s.List(), u)
	}
	if err := s.Remove(t.Context(), two.Host+"/app:v2"); err != nil {
		t.Errorf("removing it again: %v", err)
	}
	s.Close()
	if n := layersOnDisk(t, root); n != 0 {
		t.Errorf("%d layers left on disk", n)
	}
}

func TestTagMovesToTheNewImage(t *testing.T) {
	reg := registrytest.New(t)
	reg.Push(t, "app", app(t, "one"), "v1")
	root := t.TempDir()
	s := open(t, root)
	first := pullIt(t, s, reg.Host+"/app:v1")
	reg.Push(t, "app", app(t, "two"), "v1")
	second := pullIt(t, s, reg.Host+"/app:v1")
	for range 2 {
		if im, err := s.Get(reg.Host + "/app:v1"); err != nil || im.ID != second.ID {
			t.Errorf("the tag means %v, %v", im, err)
		}
		old, err := s.Get(first.ID)
		if err != nil {
			t.Fatal(err)
		}
		wantStrings(t, "the old image's tags", old.RepoTags)
		wantStrings(t, "the old image's digests", old.RepoDigests, first.RepoDigests...)
		s.Close()
		s = open(t, root)
	}
}

func TestCrashBetweenGivingAndTakingATag(t *testing.T) {
	reg := registrytest.New(t)
	reg.Push(t, "app", app(t, "one"), "v1")
	root := t.TempDir()
	s := open(t, root)
	first := pullIt(t, s, reg.Host+"/app:v1")
	file := s.records.file(s.index.byID(first.ID).record.ID)
	before := read(t, file)
	reg.Push(t, "app", app(t, "two"), "v1")
	second := pullIt(t, s, reg.Host+"/app:v1")
	s.Close()
	if err := os.WriteFile(file, []byte(before), 0o600); err != nil { // the old record still has the tag
		t.Fatal(err)
	}
	s = open(t, root)
	if im, err := s.Get(reg.Host + "/app:v1"); err != nil || im.ID != second.ID {
		t.Errorf("the tag means %v, %v", im, err)
	}
	if old, err := s.Get(first.ID); err != nil || len(old.RepoTags) != 0 {
		t.Errorf("the old image: %+v, %v", old, err)
	}
}

func TestPullOfAnUnchangedImageIsOneRequest(t *testing.T) {
	reg := registrytest.New(t)
	pushed := reg.Push(t, "app", app(t, "hello"), "v1")
	s := open(t, t.TempDir())
	first := pullIt(t, s, reg.Host+"/app:v1")
	reg.Requests()
	if again := pullIt(t, s, reg.Host+"/app:v1"); again != first {
		t.Errorf("%+v", again)
	}
	wantStrings(t, "requests for the tag", reg.Requests(), "HEAD /v2/app/manifests/v1")
	pullIt(t, s, reg.Host+"/app@"+pushed.Digest.String())
	wantStrings(t, "requests for the digest", reg.Requests(), "HEAD /v2/app/manifests/"+pushed.Digest.String())
}

func TestPullChecksTheRegistryAlsoForWhatIsHere(t *testing.T) {
	reg := registrytest.New(t)
	pushed := reg.Push(t, "app", app(t, "hello"), "v1")
	s := open(t, t.TempDir())
	pullIt(t, s, reg.Host+"/app:v1")
	reg.Auth = &registrytest.Auth{Username: "u", Password: "p"} // now it is private
	for _, ref := range []string{"app:v1", "app@" + pushed.Digest.String()} {
		if _, err := s.Pull(t.Context(), PullRequest{Ref: reg.Host + "/" + ref}); !errors.Is(err, ErrUnauthorized) {
			t.Errorf("%s: %v", ref, err)
		}
		if _, err := s.Pull(t.Context(), PullRequest{Ref: reg.Host + "/" + ref, Auth: &Auth{Auth: "dTpw"}}); err != nil {
			t.Errorf("%s with a password: %v", ref, err)
		}
	}
}

func TestPullChoosesThePlatform(t *testing.T) {
	reg := registrytest.New(t)
	other := registrytest.Image{Platform: ocispec.Platform{OS: "linux", Architecture: "s390x"}, Layers: [][]byte{tartest.Archive(t, entry{Name: "f", Body: "s390x"})}}
	attestation := registrytest.Image{Platform: ocispec.Platform{OS: "unknown", Architecture: "unknown"}}
	mine := reg.Push(t, "app", app(t, "mine"))
	theirs := reg.Push(t, "app", other)
	top := reg.Index(t, "app", []registrytest.Pushed{reg.Push(t, "app", attestation), theirs, mine}, "v1")
	s := open(t, t.TempDir())
	im := pullIt(t, s, reg.Host+"/app:v1")
	if im.ID != mine.ID.String() {
		t.Errorf("pulled %s, not the image for %s", im.ID, runtime.GOARCH)
	}
	wantStrings(t, "digests", im.RepoDigests, reg.Host+"/app@"+top.String())
	z, err := s.Pull(t.Context(), PullRequest{Ref: reg.Host + "/app@" + top.String(), Platform: &ocispec.Platform{OS: "linux", Architecture: "s390x"}})
	if err != nil || z.ID != theirs.ID.String() {
		t.Errorf("%+v, %v", z, err)
	}
	if im, err := s.Get(reg.Host + "/app@" + top.String()); err != nil || im.ID != mine.ID.String() {
		t.Errorf("the index's digest means %+v, %v", im, err)
	}
	reg.Index(t, "app", []registrytest.Pushed{theirs}, "v2")
	if _, err := s.Pull(t.Context(), PullRequest{Ref: reg.Host + "/app:v2"}); !errors.Is(err, ErrNoPlatform) || !strings.Contains(err.Error(), "linux/s390x") {
		t.Errorf("err = %v", err)
	}
}

func TestDirectoriesAreClosedToOthers(t *testing.T) {
	reg := registrytest.New(t)
	reg.Push(t, "app", app(t, "hello"), "v1")
	root := filepath.Join(t.TempDir(), "images")
	s := open(t, root)
	pullIt(t, s, reg.Host+"/app:v1")
	if fi, err := os.Stat(root); err != nil || fi.Mode().Perm() != 0o700 {
		t.Errorf("root: %v, %v", fi.Mode(), err)
	}
	files, err := filepath.Glob(filepath.Join(root, "records", "*"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	if fi, err := os.Stat(files[0]); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("record: %v, %v", fi.Mode(), err)
	}
}

func TestPinnedPatterns(t *testing.T) {
	names := []name{{Ref: "registry.k8s.io/pause:3.9"}, {Ref: "registry.k8s.io/pause@sha256:00"}}
	for pattern, want := range map[string]bool{
		"registry.k8s.io/pause:3.9": true, "registry.k8s.io/pause": true, "registry.k8s.io/*": true, "*pause*": true,
		"registry.k8s.io/pause:3.8": false, "pause": false, "*": false, "": false, "*other*": false, "registry.k8s.io/pau": false,
	} {
		if got := pinned([]string{pattern}, names); got != want {
			t.Errorf("%q: %v", pattern, got)
		}
	}
}

func TestParseUser(t *testing.T) {
	for in, want := range map[string]struct {
		uid  int64
		name string
		bad  bool
	}{
		"": {uid: -1}, "0": {uid: 0}, "1002": {uid: 1002}, "1003:1004": {uid: 1003}, "01": {uid: 1}, "www-data": {uid: -1, name: "www-data"},
		"www-data:1004": {uid: -1, name: "www-data"}, ":5": {uid: -1}, "2147483647": {uid: 2147483647}, "2147483648": {uid: -1, bad: true},
		"4294967296": {uid: -1, bad: true}, "99999999999999999999": {uid: -1, bad: true}, "-1": {uid: -1, bad: true}, "+0": {uid: -1, bad: true},
		"a b": {uid: -1, bad: true}, "a\nb": {uid: -1, bad: true}, "../x": {uid: -1, bad: true}, "1000x": {uid: -1, name: "1000x"},
	} {
		uid, name, err := ParseUser(in)
		got := int64(-1)
		if uid != nil {
			got = *uid
		}
		if got != want.uid || name != want.name || (err != nil) != want.bad {
			t.Errorf("%q: %d, %q, %v", in, got, name, err)
		}
	}
	// The kubelet refuses an image with a name where runAsNonRoot wants a number (CVE-2024-40635).
	im := &Image{Config: ocispec.Image{Config: ocispec.ImageConfig{User: "4294967296"}}}
	if uid, name := im.User(); uid != nil || name == "" {
		t.Errorf("%v, %q", uid, name)
	}
}

func FuzzParseUser(f *testing.F) {
	for _, s := range []string{"", "0", "1:2", "a:b", "4294967296", "-1", "+0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		uid, name, err := ParseUser(s)
		if uid != nil && (*uid < 0 || *uid > 1<<31-1 || name != "" || err != nil) {
			t.Errorf("%q: %d, %q, %v", s, *uid, name, err)
		}
		if strings.ContainsAny(name, ":\n\x00/ ") {
			t.Errorf("%q: name %q", s, name)
		}
	})
}

func FuzzParseRecord(f *testing.F) {
	f.Add([]byte(`{"version":1,"id":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","config":"{}","layers":[],"names":[{"ref":"a:b"}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, err := parseRecord(b); err == nil && r.ID.Validate() != nil {
			t.Errorf("%+v", r)
		}
	})
}
