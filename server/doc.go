// SPDX-License-Identifier: Apache-2.0

// Package server is crisp as the kubelet sees it: the CRI's RuntimeService and ImageService on one Unix socket.
//
// It knows the CRI and no kernel. A call passes through here once, downwards:
//
//	kubelet ─▶ interceptor   logs, maps the error, survives a panic    interceptor.go, errors.go
//	            └─ handler   checks the request's shape                pods.go, containers.go, … ; validate.go
//	                └─ Pods, Images, Network: the domain               domain.go; sandbox, image and network
//
// Handlers return the domain's errors as they are; errors.go alone knows their gRPC codes. The terms are the CRI's, but
// for "pod", which is the CRI's "pod sandbox".
//
// RunPodSandbox, as an example: the interceptor takes the time, runtimeService.RunPodSandbox finds that the ports are ports
// and that the handler exists, Pods.RunPod judges the rest of the configuration, does it all and returns the ID; had it
// returned an error that wraps network.ErrNoAddress, the kubelet would get ResourceExhausted and the log a line with
// method, pod, code and time.
//
// The packages below it: config reads the configuration, daemon holds the locks and the socket, stream serves the
// sessions of exec, attach and port-forward, logs sets up the log.
package server
