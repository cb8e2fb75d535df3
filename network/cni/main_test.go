// SPDX-License-Identifier: Apache-2.0

package cni

import (
	"testing"

	"crisp/network/internal/isolate"
)

func TestMain(m *testing.M) { isolate.Main(m) }
