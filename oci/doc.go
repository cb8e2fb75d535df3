// SPDX-License-Identifier: Apache-2.0

// Package oci is the OCI runtime: it compiles a config.json into a plan and runs containers by it.
package oci
