// SPDX-License-Identifier: Apache-2.0

package oci

import "crisp/conmon/plan"

// halt is where the process waits for us, right before it enters its root file system: it has its namespaces and its mounts then, and the
// host's files still in sight.
func (a *assembly) halt() {
	if a.halted == plan.NoReg {
		return
	}
	a.about("tell that the namespaces are there")
	a.show()
	s := a.step(plan.OpWrite)
	s.FD, s.Blob = a.halted, []byte{'h'}
	a.about("wait for the hooks")
	a.step(plan.OpWaitFd).FD = a.halted
	a.close(a.halted)
}
