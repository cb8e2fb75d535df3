// SPDX-License-Identifier: Apache-2.0

package sandbox

import "crisp/sandbox/record"

// fate is what is to be done, after a restart of the daemon, about an object that a record names.
type fate int

const (
	// fateRelease: its creation was broken off, so that no caller has its ID, or its removal was. It is released and forgotten.
	fateRelease fate = iota
	// fateLive: it was complete in this boot; its monitor knows the rest.
	fateLive
	// fateRebooted: it was made in another boot, and nothing of it is left but records, layers and its share of the network.
	fateRebooted
	// fateOver: it was known to have ended; there is nothing to ask.
	fateOver
)

// podFate decides by the records alone. After a reboot a pod whose status was lost with the power is not taken for half-made: a
// caller may have been told of it.
func podFate(rec *record.Pod, s *record.PodStatus, boot string) fate {
	switch {
	case s.RemovingAt != 0:
		return fateRelease
	case s.StoppedAt != 0:
		return fateOver
	case rec.BootID != boot:
		return fateRebooted
	case s.ReadyAt == 0:
		return fateRelease
	}
	return fateLive
}

// containerFate decides likewise.
func containerFate(rec *record.Container, s *record.ContainerStatus, boot string) fate {
	switch {
	case s.RemovingAt != 0:
		return fateRelease
	case s.Exit != nil:
		return fateOver
	case rec.BootID != boot:
		return fateRebooted
	case s.ReadyAt == 0:
		return fateRelease
	}
	return fateLive
}
