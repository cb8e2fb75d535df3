// SPDX-License-Identifier: Apache-2.0

package layerstore

import (
	"os"
	"testing"

	"crisp/image/internal/leaktest"
)

func TestMain(m *testing.M) { os.Exit(leaktest.Main(m)) }
