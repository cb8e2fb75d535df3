// SPDX-License-Identifier: Apache-2.0

package spec

// Container returns the config.json of a container and the identity its process gets.
func Container(in ContainerInput) (*ContainerSpec, error) { return nil, ErrUnsupported }
