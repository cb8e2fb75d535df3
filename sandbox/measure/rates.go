// SPDX-License-Identifier: Apache-2.0

package measure

import (
	"sync"
	"time"

	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"

	"crisp/oci/cgroup"
)

// minRateWindow is the shortest time over which a rate is taken; questions in between get the last rate.
const minRateWindow = time.Second

// Rates turns the kernel's counters of CPU time into a rate, by the reading before. It is nobody's job to sample: who asks
// regularly, as the kubelet does, gets the rate between the questions.
type Rates struct {
	mu   sync.Mutex // guards last
	last map[string]rate
}

type rate struct {
	at    time.Time
	usage uint64
	cores *runtime.UInt64Value
}

// NewRates returns one without readings.
func NewRates() *Rates { return &Rates{last: map[string]rate{}} }

// Of returns nil until there are two readings.
func (r *Rates) Of(id string, s cgroup.Stats) *runtime.UInt64Value {
	r.mu.Lock()
	defer r.mu.Unlock()
	was, ok := r.last[id]
	window := s.Time.Sub(was.at)
	switch {
	case !ok || s.CPU.Usage < was.usage:
		r.last[id] = rate{at: s.Time, usage: s.CPU.Usage}
		return nil
	case window < minRateWindow:
		return was.cores
	}
	cores := Value(uint64(float64(s.CPU.Usage-was.usage) / window.Seconds()))
	r.last[id] = rate{s.Time, s.CPU.Usage, cores}
	return cores
}

// Forget drops the readings of one ID.
func (r *Rates) Forget(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.last, id)
}
