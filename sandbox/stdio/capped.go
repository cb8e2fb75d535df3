// SPDX-License-Identifier: Apache-2.0

package stdio

// Capped keeps the first Max bytes that are written to it and takes the rest.
type Capped struct {
	Data []byte
	Max  int
}

// Write never fails.
func (b *Capped) Write(p []byte) (int, error) {
	b.Data = append(b.Data, p[:min(len(p), b.Max-len(b.Data))]...)
	return len(p), nil
}
