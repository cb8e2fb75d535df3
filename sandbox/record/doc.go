// SPDX-License-Identifier: Apache-2.0

// Package record keeps what crisp knows about pods and containers on disk, as JSON that a person can read.
//
// Each object has a directory with two files:
//
//	record.json   what was asked for. Written once, before the first kernel object is made (the intent), and synced before the
//	              caller hears of success. Never changed.
//	status.json   what became of it: when it was ready, its pids, its addresses. Written over at each transition, not synced.
//
// # What is synced, and why that is enough
//
// A kill -9 of the daemon loses nothing that a rename or a write has made visible: the page cache is the kernel's. Only a power cut asks for
// syncs, and it takes all processes, mounts, cgroups and namespaces with it. So what must survive it is that the object
// exists and what was asked for (record.json), and how its process ended (the exit record, which the monitor syncs). All else in status.json
// is about kernel objects of one boot: it carries the boot's ID and is only believed in that boot. When it is missing, empty or cut off
// after a power cut, the object is shown as ended, which it is.
//
// record.json becomes visible by rename first and durable after that (Written.Sync), so that the sync runs beside the work. If
// the power goes in between, the file is missing or empty (ErrEmpty): the object never came to be, as far as any
// caller knows, and its directory is removed.
//
// A removal isn't synced: at worst a dead object is back after a power cut, and is removed again.
//
// # Versions
//
// Every file carries the version of its format. A reader takes its own version and older ones; fields that it does not know are
// ignored, so that small additions need no new version. A newer version gives ErrNewer: the object is left alone and reported.
package record
