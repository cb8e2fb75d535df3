// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"log/slog"

	"crisp/image"
	"crisp/network"
	"crisp/oci"
)

// Config is what a Manager works with. The caller owns the stores and closes them after the Manager.
type Config struct {
	Root  string // durable state; pods live in Root/pods
	State string // this boot's state; pods live in State/pods, network namespaces in State/netns

	Images  *image.Store
	Network *network.Manager
	OCI     *oci.Runtime

	Defaults Defaults
	Log      *slog.Logger // nil: slog.Default()
}

// Defaults are the node's choices where the CRI leaves them open. The zero value is complete.
type Defaults struct {
	CgroupParent string   // for pods that name none; "" means "/crisp"
	Systemd      bool     // systemd makes new cgroups; parents are slices
	Capabilities []string // of unprivileged containers; nil: the spec package's own set
	RejectAbsent bool     // a bind mount whose host path is absent is an error, not a mkdir
}
