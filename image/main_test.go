// SPDX-License-Identifier: Apache-2.0

package image

import (
	"os"
	"testing"

	"crisp/image/internal/leaktest"
)

func TestMain(m *testing.M) { os.Exit(leaktest.Main(m)) }
