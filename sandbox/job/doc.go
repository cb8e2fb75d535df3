// SPDX-License-Identifier: Apache-2.0

// Package job runs work that belongs to the daemon and not to the call that asked for it.
//
// A client of the CRI gives up after its own deadline and asks again. If the work died with the first call, or the second call
// started a second piece of work, the node would end with "name is reserved" (containerd#4604, cri-o#7263). So the
// work is keyed by the identity of the object that it makes: whoever asks for the same key while it runs joins it and
// gets its result, and whoever leaves leaves it running.
//
//	caller 1 ──Do(key)──▶ starts the work ─────────── leaves at its deadline: error "… goes on"
//	caller 2 ──Do(key)──▶ joins ───────────────────── result
//	                      the work ends: the key is forgotten, with its result or its error.
//
// The result is not kept: a caller that comes after the end must find the object by its identity before it starts a job;
// Do calls its lookup under the same lock that forgets the key, so that there is no moment in between.
//
// The work's context is the daemon's, with the deadline of the group. Work that does not end when its context does (a system call
// on a dead NFS mount) keeps its key, so that nothing is started over it, but waits no longer hold its callers: they get
// ErrOverdue, which names the stage.
//
// # Example
//
//	id, err := m.creates.Do(ctx, job.Request[string]{
//		Key:    podID + "/web/0",
//		Lookup: func() (string, bool) { return m.findContainer(...) },
//		Work:   func(t *job.Task) (string, error) { t.Stage("mount root file system"); ...; return id, nil },
//	})
package job
