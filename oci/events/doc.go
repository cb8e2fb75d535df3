// SPDX-License-Identifier: Apache-2.0

// Package events tells what a container uses, and when it runs out of memory, in the words of `runc events`: containerd and others
// read them.
//
// # Terms
//
//   - An Event is one line of JSON: "stats" with Stats, or "oom".
//   - Stats are read from the files of the container's cgroup, all that runc reads. (cgroup.Stats is what a kubelet asks for every ten seconds:
//     less, and cheaper.) What the host does not count is left out or zero, as runc has it.
//   - A Watch tells of the OOM killer: on v2 by inotify on memory.events, on v1 by an eventfd on memory.oom_control.
//
// # Life cycle
//
//	Read ─▶ Stats
//	NewWatch ─▶ Wait: an OOM, or the end of the container ─▶ Wait … ─▶ Close
//
// # Worked example
//
//	d := events.Dirs{V2: true, Of: g.Dir}
//	s, err := events.Read(d)
//	json.NewEncoder(os.Stdout).Encode(events.Event{Type: events.TypeStats, ID: "c1", Data: s})
//	w, err := events.NewWatch(d)
//	more, err := w.Wait(ctx) // more: somebody was killed; else all have ended
package events
