// SPDX-License-Identifier: Apache-2.0

package conmon

import (
	"context"
	"errors"
	"os"
)

// StartConfig says how to start a monitor.
type StartConfig struct {
	SocketPath string   // where it listens; of any length
	Dir        string   // its working directory, "" for /
	Stderr     *os.File // nil for /dev/null
}

// Start starts a monitor and connects to it. The monitor belongs to no session or process group of the caller's.
func Start(ctx context.Context, c StartConfig) (*Client, error) { return nil, errors.ErrUnsupported }

// Connect connects to a monitor that runs already.
func Connect(ctx context.Context, socketPath string) (*Client, error) {
	return nil, errors.ErrUnsupported
}
