// SPDX-License-Identifier: Apache-2.0

// Package admin is what the daemon does for root on the node besides the CRI: HTTP with JSON on a socket that only root can connect to
// (admin.sock in the state directory). Client is its other end, which the commands of crisp use.
//
//	GET    /images               all images
//	GET    /images?ref=REF       one of them
//	DELETE /images?ref=REF
//	POST   /pulls                {"Ref": …}: lines of Event while the pull goes on, the last one with its result
//	GET    /pulls                the pulls under way
//	POST   /explain              {"Ref": …}: what a pull would ask, and whom
//
// An error is a status of 404 or 500 and {"error": …}.
package admin
