// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"encoding/json"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

func verifyPause(b *bench) {
	c := b.bundle().create()
	c.start()
	b.ok("pause", c.id)
	if s := b.stateOf(c.id).Status; s != "paused" {
		b.errorf("it is %s", s)
	}
	b.fails("delete", c.id)
	b.ok("kill", c.id, "USR1")
	if !pending(c.pid, unix.SIGUSR1) {
		b.errorf("it takes signals while it is paused")
	}
	b.ok("resume", c.id)
	b.becomes(c.id, specs.StateStopped)
	c.delete()
	b.fails("pause", c.id)
	b.fails("resume", c.id)
}

func verifyUpdate(b *bench) {
	k := b.bundle()
	k.Linux.Resources.Pids = &specs.LinuxPids{Limit: new(int64(100))}
	c := k.create()
	c.start()
	b.ok("update", "--memory", strconv.Itoa(128*mib), "--pids-limit", "60", c.id)
	pids := cg("pids", "pids.max", "").ask
	memory := cg("memory", map[string]string{"v1": "memory.limit_in_bytes", "v2": "memory.max"}[laneHere()], "").ask
	if a := c.exec(nil, pids, memory); a[pids] != "60" || a[memory] != strconv.Itoa(128*mib) {
		b.errorf("%q", a)
	}
	b.ok("update", "--resources", b.file(b.path("update.json"), `{"pids":{"limit":61}}`, 0o600), c.id)
	if a := c.exec(nil, pids, memory); a[pids] != "61" || a[memory] != strconv.Itoa(128*mib) {
		b.errorf("from a file: %q", a)
	}
	b.fails("update", "--pids-limit", "nonsense", c.id)
	c.stop()
	c.delete()
}

func verifyPs(b *bench) {
	c := b.bundle().create()
	c.start()
	var pids []int
	if err := json.Unmarshal([]byte(b.ok("ps", "--format", "json", c.id).out), &pids); err != nil || !slices.Contains(pids, c.pid) {
		b.errorf("%v, %v: without %d", pids, err, c.pid)
	}
	c.stop()
	c.delete()
}

func verifyList(b *bench) {
	c := b.bundle().create()
	var list []struct {
		ID     string `json:"id"`
		Pid    int    `json:"pid"`
		Status string `json:"status"`
		Bundle string `json:"bundle"`
	}
	if err := json.Unmarshal([]byte(b.ok("list", "--format", "json").out), &list); err != nil || len(list) != 1 {
		b.fatalf("%v, %v", list, err)
	}
	if e := list[0]; e.ID != c.id || e.Pid != c.pid || e.Status != "created" || e.Bundle != c.dir {
		b.errorf("%+v", e)
	}
	if got := strings.TrimSpace(b.ok("list", "--quiet").out); got != c.id {
		b.errorf("quiet: %q", got)
	}
	c.start()
	c.stop()
	c.delete()
}

func verifyEventsStats(b *bench) {
	c := b.bundle().create()
	c.start()
	var event struct {
		Type string `json:"type"`
		ID   string `json:"id"`
		Data struct {
			Pids   struct{ Current int }
			Memory struct{ Usage struct{ Usage uint64 } }
		} `json:"data"`
	}
	r := b.ok("events", "--stats", c.id)
	if err := json.Unmarshal([]byte(r.out), &event); err != nil || event.Type != "stats" || event.ID != c.id || event.Data.Pids.Current < 1 || event.Data.Memory.Usage.Usage == 0 {
		b.errorf("%v: %q", err, r.out)
	}
	c.stop()
	c.delete()
}

// verifySpec wants what spec writes to run.
func verifySpec(b *bench) {
	k := b.bundle()
	b.must(os.RemoveAll(k.dir + "/config.json"))
	b.commandOK(func(cmd *exec.Cmd) { cmd.Dir = k.dir }, "spec")
	text, err := os.ReadFile(k.dir + "/config.json")
	b.must(err)
	k.Spec = &specs.Spec{}
	b.must(json.Unmarshal(text, k.Spec))
	k.Process.Terminal, k.Process.Args, k.asks = false, nil, []string{"ids", "mount flags /", "status NoNewPrivs"}
	if a := k.run(); a["ids"] != "0 0 0 0 0 0" || !strings.HasPrefix(a["mount flags /"], "ro") || a["status NoNewPrivs"] != "1" {
		b.errorf("%q", a)
	}
}
