// SPDX-License-Identifier: Apache-2.0

// Package integration drives a real crisp through its CRI socket: each test starts a daemon of its own in scratch
// directories, inside the namespaces of package isolate, and after each test nothing may be left behind (package leak),
// neither with the daemon still running nor after it. The tests need root; without it they are skipped.
//
//	sudo go test ./test/integration                       # with bin/crisp, made by `make build`
//	sudo CRISP=/tmp/crisp go test -run Exec ./test/integration
package integration
