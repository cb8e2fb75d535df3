// SPDX-License-Identifier: Apache-2.0

// Package cri is the client side of the CRI for the lanes: one connection for both services, and pod and container configs
// that a test changes where it cares.
//
//	client, err := cri.Dial("/run/crisp/crisp.sock")
//	pod := cri.Pod("web")
//	id, err := client.RunPod(ctx, pod)
//	ctr, err := client.Run(ctx, id, pod, cri.Container("main", images.Busybox, "sleep", "1000"))
package cri
