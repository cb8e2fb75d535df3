// SPDX-License-Identifier: Apache-2.0

package security

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"crisp/test/security/internal/report"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// capSets are the five sets of /proc/self/status.
func capSets(r report.Report) string {
	var all []string
	for _, s := range []string{"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"} {
		all = append(all, s+" "+strings.TrimLeft(r.Status[s], "0"))
	}
	return strings.Join(all, ", ")
}

// TestCapabilitySetsAreThoseAskedFor looks at all five, in run and in exec (CVE-2022-24769, CVE-2022-29162, CVE-2022-27650: the
// inheritable one was filled).
func TestCapabilitySetsAreThoseAskedFor(t *testing.T) {
	b := newBench(t)
	some := []string{"CAP_CHOWN", "CAP_KILL"}                           // bits 0 and 5
	const root = "CapInh , CapPrm 21, CapEff 21, CapBnd 21, CapAmb "    // as root
	const user = "CapInh , CapPrm , CapEff , CapBnd 21, CapAmb "        // the kernel takes them at the exec
	const ambient = "CapInh 1, CapPrm 1, CapEff 1, CapBnd 21, CapAmb 1" // of a user, on request
	k := b.bundle("look").capabilities(some...)
	if got := capSets(k.run().report()); got != root {
		t.Errorf("run: %s", got)
	}
	k.spec.Process.User = specs.User{UID: 1000, GID: 1000}
	if got := capSets(k.run().report()); got != user {
		t.Errorf("run as a user: %s", got)
	}
	k.spec.Process.Capabilities.Inheritable, k.spec.Process.Capabilities.Ambient = some[:1], some[:1]
	if got := capSets(k.run().report()); got != ambient {
		t.Errorf("run as a user with ambient ones: %s", got)
	}
	c := b.bundle("wait").capabilities(some...).running().ready()
	if got := capSets(c.exec(nil, "look").report()); got != root {
		t.Errorf("exec: %s", got)
	}
	if got := capSets(c.exec([]string{"--user", "1000"}, "look").report()); got != user {
		t.Errorf("exec as a user: %s", got)
	}
	c.delete()
}

// TestUsersOfExecAreWhoTheySay holds exec --user to UID[:GID]: what is none is refused, and nobody becomes root by a slip
// (CVE-2026-30892, CVE-2024-40635).
func TestUsersOfExecAreWhoTheySay(t *testing.T) {
	b := newBench(t)
	k := b.bundle("wait")
	k.spec.Process.User = specs.User{UID: 77, GID: 78}
	c := k.running().ready()
	ids := func(r result) string {
		v := r.report()
		return strings.Fields(v.Status["Uid"])[1] + ":" + strings.Fields(v.Status["Gid"])[1]
	}
	for _, u := range []string{
		":", ":1", "-1", "1:-1", "4294967295", "4294967296", "1:4294967295", "1:4294967296", "18446744073709551616", "0x0", "1 ", " 1", "1:2:3",
		"root", "1root", "+", "1:root", "1\n0", "1:", "4294967297", "-4294967295", "1e1", "٣",
	} {
		r := c.exec([]string{"--user", u}, "look")
		if r.code == 0 && u != "1:" {
			t.Errorf("--user %q was taken as %s", u, ids(r))
		} else if r.code == 0 && !strings.HasPrefix(ids(r), "1:") {
			t.Errorf("--user %q was taken as %s", u, ids(r))
		}
	}
	seed := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		uid, gid := seed.Uint32N(1<<31), seed.Uint32N(1<<31)
		want := fmt.Sprintf("%d:%d", uid, gid)
		if got := ids(c.exec([]string{"--user", want}, "look")); got != want {
			t.Errorf("--user %s was taken as %s", want, got)
		}
		if got := ids(c.exec([]string{"--user", strconv.Itoa(int(uid))}, "look")); !strings.HasPrefix(got, strconv.Itoa(int(uid))+":") {
			t.Errorf("--user %d was taken as %s", uid, got)
		}
	}
	c.delete()
}

// TestUsersOfTheConfigDoNotWrap: IDs beyond 2^31 are what they are, and those that no user can have are refused (CVE-2024-40635).
func TestUsersOfTheConfigDoNotWrap(t *testing.T) {
	b := newBench(t)
	for _, id := range []uint32{1 << 31, 1<<32 - 2, 1<<32 - 1} {
		k := b.bundle("look")
		k.spec.Process.User = specs.User{UID: id, GID: id}
		r := k.run()
		if r.code != 0 {
			continue
		}
		v := r.report()
		if want := fmt.Sprint(id); strings.Fields(v.Status["Uid"])[1] != want || strings.Fields(v.Status["Gid"])[1] != want {
			t.Errorf("%d became %s:%s", id, v.Status["Uid"], v.Status["Gid"])
		}
	}
	k := b.bundle("look")
	k.save()
	config := filepath.Join(k.dir, "config.json")
	for _, uid := range []string{"4294967296", "-1", "1e10", "18446744073709551616"} {
		b.file(config, strings.Replace(read(t, config), `"uid":0`, `"uid":`+uid, 1), 0o600)
		id := b.id()
		if r := b.command("run", "--bundle", k.dir, id); r.code == 0 {
			t.Errorf("uid %s was taken", uid)
		}
		b.forget(id)
		k.save()
	}
}

// TestNoNewPrivilegesHolds: a setuid program stays the user's.
func TestNoNewPrivilegesHolds(t *testing.T) {
	b := newBench(t)
	program, err := theAttacker()
	if err != nil {
		t.Fatal(err)
	}
	k := b.bundle("look")
	suid := b.file(filepath.Join(k.rootfs, "suid"), read(t, program), 0o755)
	if err := os.Chmod(suid, 0o755|os.ModeSetuid); err != nil {
		t.Fatal(err)
	}
	k.spec.Process.Args = []string{"/suid", "look"}
	k.spec.Process.User = specs.User{UID: 1000, GID: 1000}
	effective := func() string { return strings.Fields(k.run().report().Status["Uid"])[1] }
	if got := effective(); got != "0" {
		t.Skipf("setuid programs do not work here: %s", got) // a nosuid mount: nothing to prove
	}
	k.spec.Process.NoNewPrivileges = true
	if got := effective(); got != "1000" {
		t.Errorf("a setuid program became user %s", got)
	}
	k.spec.Process.Args, k.spec.Process.User = []string{"/attacker", "wait"}, specs.User{}
	c := k.running().ready()
	if got := c.exec([]string{"--user", "1000"}, "look").report().Status["NoNewPrivs"]; got != "1" && b.engine.ours {
		t.Errorf("exec in it has no_new_privs %s", got)
	}
	c.delete()
}

// TestSessionKeyringIsItsOwn: a key of whoever calls the engine is not found inside.
func TestSessionKeyringIsItsOwn(t *testing.T) {
	b := newBench(t)
	if _, err := os.Stat("/proc/keys"); err != nil {
		t.Skip("no keyrings on this kernel: ", err)
	}
	b.under = []string{"/proc/self/exe", keyringArg} // the engine's session keyring has it
	if out := b.bundle("search", "crisp-secret").run().ok().out; contains(out, "of the host") {
		t.Errorf("found in run: %s", out)
	}
	c := b.bundle("wait").running().ready()
	if out := c.exec(nil, "search", "crisp-secret").ok().out; contains(out, "of the host") {
		t.Errorf("found in exec: %s", out)
	}
	b.under = nil
	c.delete()
}

// TestTerminalOfTheCallerIsOutOfReach: without a terminal of its own a process has none, into which it could type (TIOCSTI).
func TestTerminalOfTheCallerIsOutOfReach(t *testing.T) {
	b := newBench(t)
	b.under = []string{"/proc/self/exe", terminalArg}
	if r := b.bundle("look").run().report(); r.Tty == "" {
		t.Error("run: /dev/tty opens")
	}
	c := b.bundle("wait").running().ready()
	if r := c.exec(nil, "look").report(); r.Tty == "" {
		t.Error("exec: /dev/tty opens")
	}
	b.under = nil
	c.delete()
}

// TestFilesOfTheHostCannotBeOpenedByHandle is the "shocker" of 2014: it needs a capability that ordinary containers have not.
func TestFilesOfTheHostCannotBeOpenedByHandle(t *testing.T) {
	b := newBench(t)
	if out := b.bundle("handle").run().ok().out; !contains(out, "operation not permitted") && !contains(out, "not supported") {
		t.Errorf("open_by_handle_at: %s", out)
	}
}
