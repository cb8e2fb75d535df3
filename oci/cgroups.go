// SPDX-License-Identifier: Apache-2.0

package oci

import "crisp/oci/cgroup"

// Cgroups is the host's cgroup file systems, for whoever has to release a container that cannot be loaded any more.
func (r *Runtime) Cgroups() *cgroup.Manager { return r.cgroups }
