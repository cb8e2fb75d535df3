// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"crisp/oci/seccomp"

	mobyseccomp "github.com/moby/profiles/seccomp"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

func newStore(t testing.TB) Store { return Store{Dir: filepath.Join(t.TempDir(), "@seccomp")} }

func rawDefault(t testing.TB) []byte {
	t.Helper()
	p, err := mobyseccomp.GetDefaultProfile(&specs.Spec{Process: &specs.Process{Capabilities: &specs.LinuxCapabilities{}}})
	if err != nil {
		t.Fatal(err)
	}
	return marshal(t, p)
}

func marshal(t testing.TB, p *specs.LinuxSeccomp) []byte {
	t.Helper()
	raw, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func parse(raw []byte) (p *specs.LinuxSeccomp, err error) { return p, json.Unmarshal(raw, &p) }

// never is a parse for hits.
func never([]byte) (*specs.LinuxSeccomp, error) { return nil, errors.New("parsed") }

func same(p, q seccomp.Program) bool {
	if (p.Listener == nil) != (q.Listener == nil) || p.Listener != nil && *p.Listener != *q.Listener {
		return false
	}
	return bytes.Equal(p.Bytes, q.Bytes) && p.Flags == q.Flags
}

func TestProgramsAreCompiledOnce(t *testing.T) {
	notify := &specs.LinuxSeccomp{
		DefaultAction: specs.ActAllow, ListenerPath: "/run/agent.sock", ListenerMetadata: "for the agent",
		Syscalls: []specs.LinuxSyscall{{Names: []string{"mkdir"}, Action: specs.ActNotify}},
	}
	s := newStore(t)
	taken := *notify
	taken.Syscalls = append(taken.Syscalls, specs.LinuxSyscall{Names: []string{"sendmsg"}, Action: specs.ActErrno})
	for name, raw := range map[string][]byte{"default": rawDefault(t), "notify": marshal(t, notify), "taken": marshal(t, &taken)} {
		first, err := s.Compile(raw, parse)
		if err != nil {
			t.Fatal(err)
		}
		again, err := s.Compile(raw, never)
		if err != nil || !same(first, again) {
			t.Errorf("%s: compiled again, or another: %v", name, err)
		}
		if _, err := s.Compile(append([]byte(" "), raw...), never); err == nil {
			t.Errorf("%s: another text got its program", name)
		}
	}
}

func TestNoProgramIsKeptOfWhatHasNone(t *testing.T) {
	s := newStore(t)
	for raw, want := range map[string]error{"null": seccomp.ErrNoProfile, `{"defaultAction":"x"}`: seccomp.ErrInvalid} {
		for range 2 {
			if _, err := s.Compile([]byte(raw), parse); !errors.Is(err, want) {
				t.Errorf("%s: %v", raw, err)
			}
		}
	}
	if _, err := os.Stat(s.Dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("there is a directory: %v", err)
	}
}

// TestOnlyOwnEntriesAreTrusted changes a good store in every way in which somebody else could have written to it, or a crash left it.
func TestOnlyOwnEntriesAreTrusted(t *testing.T) {
	for name, damage := range map[string]func(dir, file string) error{
		"directory for the group": func(dir, _ string) error { return os.Chmod(dir, 0o770) },
		"directory for all":       func(dir, _ string) error { return os.Chmod(dir, 0o707) },
		"directory of another":    func(dir, _ string) error { return os.Chown(dir, 1234, -1) },
		"directory by a link": func(dir, _ string) error {
			return errors.Join(os.Rename(dir, dir+".real"), os.Symlink(dir+".real", dir))
		},
		"entry for the group": func(_, file string) error { return os.Chmod(file, 0o660) },
		"entry for all":       func(_, file string) error { return os.Chmod(file, 0o606) },
		"entry of another":    func(_, file string) error { return os.Chown(file, 1234, -1) },
		"entry by a link": func(_, file string) error {
			return errors.Join(os.Rename(file, file+".real"), os.Symlink(file+".real", file))
		},
		"FIFO":      func(_, file string) error { return errors.Join(os.Remove(file), unix.Mkfifo(file, 0o600)) },
		"directory": func(_, file string) error { return errors.Join(os.Remove(file), os.Mkdir(file, 0o700)) },
		"empty":     func(_, file string) error { return os.Truncate(file, 0) },
		"torn":      func(_, file string) error { return os.Truncate(file, 200) },
		"longer":    func(_, file string) error { return os.Truncate(file, 1<<20) },
		"huge":      func(_, file string) error { return os.Truncate(file, 1<<40) },
		"of another profile": func(dir, file string) error {
			k := KeyOf([]byte("another"))
			return os.WriteFile(file, encode(k, seccomp.Program{Bytes: make([]byte, 8)}), 0o600)
		},
		"one bit": func(_, file string) error {
			b, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			b[len(b)-3] ^= 1
			return os.WriteFile(file, b, 0o600)
		},
	} {
		t.Run(name, func(t *testing.T) {
			if os.Geteuid() != 0 {
				t.Skip("files are given away by root only")
			}
			s, raw := newStore(t), rawDefault(t)
			want, err := s.Compile(raw, parse)
			if err != nil {
				t.Fatal(err)
			}
			k := KeyOf(raw)
			if _, ok := s.Get(k); !ok {
				t.Fatal("no entry to damage")
			}
			if err := damage(s.Dir, s.Dir+"/"+k.name()); err != nil {
				t.Fatal(err)
			}
			if _, ok := s.Get(k); ok {
				t.Error("trusted")
			}
			if got, err := s.Compile(raw, parse); err != nil || !same(got, want) {
				t.Errorf("not compiled instead: %v", err)
			}
		})
	}
}

// TestEveryBitCounts: what a disk makes of an entry is not taken for one.
func TestEveryBitCounts(t *testing.T) {
	k := KeyOf(rawDefault(t))
	b := encode(k, seccomp.Program{Bytes: bytes.Repeat([]byte{1, 2, 3, 4, 5, 6, 7, 8}, 50), Flags: 1})
	if _, ok := decode(k, b); !ok {
		t.Fatal("not taken as it is")
	}
	for i := range b {
		for bit := range 8 {
			b[i] ^= 1 << bit
			if _, ok := decode(k, b); ok {
				t.Fatalf("bit %d of byte %d does not count", bit, i)
			}
			b[i] ^= 1 << bit
		}
	}
}

func TestUnusableEntriesAreReplaced(t *testing.T) {
	s, raw := newStore(t), rawDefault(t)
	if _, err := s.Compile(raw, parse); err != nil {
		t.Fatal(err)
	}
	k := KeyOf(raw)
	if err := os.Truncate(s.Dir+"/"+k.name(), 100); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Compile(raw, parse); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Compile(raw, never); err != nil {
		t.Error(err)
	}
}

func TestOldestEntriesAreRemoved(t *testing.T) {
	s := newStore(t)
	key := func(i int) Key { return KeyOf([]byte(fmt.Sprint("profile ", i))) }
	for i := range MaxEntries + 5 {
		if err := s.Put(key(i), seccomp.Program{Bytes: make([]byte, 8)}); err != nil {
			t.Fatal(err)
		}
		at := time.Unix(int64(1000+i), 0)
		if err := os.Chtimes(s.Dir+"/"+key(i).name(), at, at); err != nil {
			t.Fatal(err)
		}
	}
	for i := range MaxEntries + 5 {
		if _, ok := s.Get(key(i)); ok != (i >= 5) {
			t.Errorf("entry %d is there: %v", i, ok)
		}
	}
}

func TestFilesLeftAsideAreRemoved(t *testing.T) {
	s := newStore(t)
	if err := os.Mkdir(s.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for i := range MaxEntries {
		name := fmt.Sprint(s.Dir, "/.", i, ".old")
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(name, time.Unix(1, 0), time.Unix(1, 0)); err != nil {
			t.Fatal(err)
		}
	}
	young := s.Dir + "/.1.young"
	if err := os.WriteFile(young, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	k := KeyOf(nil)
	if err := s.Put(k, seccomp.Program{Bytes: make([]byte, 8)}); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(s.Dir)
	if err != nil || len(left) != 2 || left[0].Name() != ".1.young" || left[1].Name() != k.name() {
		t.Errorf("left: %v, %v", left, err)
	}
}

func TestWritersMeet(t *testing.T) {
	s, raw := newStore(t), rawDefault(t)
	errs := make(chan error)
	for range 8 {
		go func() {
			var err error
			for range 50 {
				_, e := s.Compile(raw, parse)
				err = errors.Join(err, e, s.Put(KeyOf(raw), seccomp.Program{Bytes: make([]byte, 800)}))
			}
			errs <- err
		}()
	}
	for range 8 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	left, err := os.ReadDir(s.Dir)
	if err != nil || len(left) != 1 {
		t.Errorf("left: %v, %v", left, err)
	}
}

func TestStoreThatCannotBeWrittenIsNoError(t *testing.T) {
	s := Store{Dir: "/proc/self/none/@seccomp"}
	if _, err := s.Compile(rawDefault(t), parse); err != nil {
		t.Error(err)
	}
	if err := s.Put("", seccomp.Program{Bytes: make([]byte, 8)}); !errors.Is(err, unix.ENOENT) {
		t.Errorf("Put: %v", err)
	}
}

// FuzzDecode: what is read as an entry must be one: encoded again it is the same.
func FuzzDecode(f *testing.F) {
	k := KeyOf([]byte("x"))
	program := seccomp.Program{Bytes: []byte("8 bytes!16 bytes"), Flags: 5}
	f.Add(encode(k, program), true)
	f.Add(encode(k, program)[:bodyOffset+10], true)
	program.Listener = &seccomp.Listener{Path: "/a", Metadata: "m"}
	f.Add(encode(k, program), true)
	f.Add(encode(k, program), false)
	program.Listener = &seccomp.Listener{Path: "a", ByWrite: true}
	f.Add(encode(k, program), true)
	f.Fuzz(func(t *testing.T, b []byte, sealed bool) {
		b = bytes.Clone(b)
		if sealed && len(b) > bodyOffset { // else nearly nothing would come past the hash
			seal(b)
		}
		p, ok := decode(k, b)
		if !ok {
			return
		}
		if again := encode(k, p); !bytes.Equal(again, b) {
			t.Errorf("%x is read as %+v, which is %x", b, p, again)
		}
	})
}

func BenchmarkHit(b *testing.B) {
	s, raw := newStore(b), rawDefault(b)
	if _, err := s.Compile(raw, parse); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Compile(raw, never); err != nil {
			b.Fatal(err)
		}
	}
}
