// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"os"
	"testing"

	"crisp/test/build"
	"crisp/test/lane"
)

// here is the lane that all tests run in; nil without root. It is set once, before the first test.
var here *lane.Lane

func TestMain(m *testing.M) {
	if os.Geteuid() != 0 {
		os.Exit(m.Run()) // each test says that it is skipped
	}
	os.Exit(lane.Run(context.Background(), func(l *lane.Lane) int { here = l; return m.Run() }, build.Crictl))
}
