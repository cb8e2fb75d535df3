// SPDX-License-Identifier: Apache-2.0

package record

import (
	"bytes"
	"encoding/json"
	"fmt"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// version is of the format that this package writes.
const version = 1

// maxSize bounds what is read. A container's environment alone may be 2 MiB.
const maxSize = 16 << 20

const (
	kindPod             = "pod"
	kindPodStatus       = "pod-status"
	kindContainer       = "container"
	kindContainerStatus = "container-status"
)

// header begins every file.
type header struct {
	Version int    `json:"version"`
	Kind    string `json:"kind"`
}

func encode(v any) ([]byte, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode record: %w", err)
	}
	return append(data, '\n'), nil
}

// decode reads the header first, so that a format of the future gets a clear answer whatever it looks like.
func decode(data []byte, kind string, v any) error {
	if len(bytes.TrimSpace(data)) == 0 {
		return ErrEmpty
	}
	if len(data) > maxSize {
		return corrupt(fmt.Sprintf("%d bytes, at most %d are read", len(data), maxSize))
	}
	var h header
	if err := json.Unmarshal(data, &h); err != nil {
		return corrupt(err.Error())
	}
	switch {
	case h.Version > version:
		return fmt.Errorf("%w: it has version %d, this crisp knows up to %d", ErrNewer, h.Version, version)
	case h.Version < 1:
		return corrupt(fmt.Sprintf("version %d", h.Version))
	case h.Kind != kind:
		return corrupt(fmt.Sprintf("it is of kind %q, not %q", h.Kind, kind))
	}
	if err := json.Unmarshal(data, v); err != nil {
		return corrupt(err.Error())
	}
	return nil
}

// encodeProto uses the protobuf JSON mapping, which keeps environment values that are not UTF-8 (as base64).
// Protojson's random spaces (it has them to keep people from comparing its output) go.
func encodeProto(what string, m proto.Message) (json.RawMessage, error) {
	data, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", what, err)
	}
	return data, nil
}

func decodeProto(what string, data []byte, m proto.Message) error {
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(data, m); err != nil {
		return corrupt(what + ": " + err.Error())
	}
	return nil
}

func corrupt(why string) error { return fmt.Errorf("%w: %s", ErrCorrupt, why) }
