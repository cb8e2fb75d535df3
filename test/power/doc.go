// SPDX-License-Identifier: Apache-2.0

// Command power cuts the power of a machine that pulls and removes images, again and again, and looks at what is on its disk:
//
//	go run ./test/power [-cuts 100]        (make test-power)
//
//	virtual machine                          this process
//	guest: pulls, removes ── ext4 ── virtio ──▶ disk: cache ── flush ──▶ durable
//	       │                                           │ at a random moment
//	       └── journal: begin pull 3, done pull 3 ──┐  ▼
//	                                                │  a copy: what was flushed, and any part of the rest
//	                                                ▼  ▼
//	                                            check: mount it, open the store
//
// After each cut the store must open; every image that it lists must have each file as it was made; what the journal says was
// pulled, and is not being removed, must be listed; what was removed must not be; and nothing half-made may be left. A loss of
// power is kinder than most of these cuts: a disk keeps or loses what is in its cache in any order it likes.
package main
