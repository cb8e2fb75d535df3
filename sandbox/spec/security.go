// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/moby/profiles/seccomp"
	"github.com/opencontainers/runtime-spec/specs-go"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
)

const (
	// maxSeccompProfile bounds a Localhost profile file, in bytes; the field's default one has 13 KiB.
	maxSeccompProfile = 1 << 20
)

// seccompProfile picks the CRI's seccomp profile: the new field, else the deprecated path; nothing means unconfined. The default
// profile depends on the capabilities (clone, mount, ... are allowed with SYS_ADMIN), so s.Process must be complete.
func seccompProfile(sc *runtime.LinuxContainerSecurityContext, s *specs.Spec) (*specs.LinuxSeccomp, error) {
	if sc.GetPrivileged() {
		return nil, nil
	}
	p := sc.GetSeccomp()
	if p == nil {
		//lint:ignore SA1019 older clients send nothing else
		p = securityProfile(sc.GetSeccompProfilePath())
	}
	return loadSeccomp(p, s)
}

func loadSeccomp(p *runtime.SecurityProfile, s *specs.Spec) (*specs.LinuxSeccomp, error) {
	if p == nil {
		return nil, nil
	}
	switch p.GetProfileType() {
	case runtime.SecurityProfile_Unconfined:
		return nil, nil
	case runtime.SecurityProfile_RuntimeDefault:
		out, err := seccomp.GetDefaultProfile(s)
		if err != nil {
			return nil, fmt.Errorf("default seccomp profile: %w", err)
		}
		return out, nil
	case runtime.SecurityProfile_Localhost:
		return localSeccomp(p.GetLocalhostRef(), s)
	}
	return nil, invalid("seccomp.profile_type", fmt.Sprintf("%d is unknown", p.GetProfileType()))
}

func localSeccomp(path string, s *specs.Spec) (*specs.LinuxSeccomp, error) {
	path = strings.TrimPrefix(path, "localhost/")
	if !filepath.IsAbs(path) {
		return nil, invalid("seccomp.localhost_ref", fmt.Sprintf("%q is no absolute path", path))
	}
	st, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("seccomp profile: %w: %w", ErrInvalid, err)
	}
	if !st.Mode().IsRegular() || st.Size() > maxSeccompProfile {
		return nil, invalid("seccomp profile "+path, fmt.Sprintf("is not a regular file of at most %d bytes", maxSeccompProfile))
	}
	body, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("seccomp profile: %w", err)
	}
	out, err := seccomp.LoadProfile(string(body), s)
	if err != nil {
		return nil, fmt.Errorf("seccomp profile %s: %w: %w", path, ErrInvalid, err)
	}
	return out, nil
}

// securityProfile reads the deprecated string form: "", "unconfined", "runtime/default", "localhost/NAME".
func securityProfile(s string) *runtime.SecurityProfile {
	switch {
	case s == "" || s == "unconfined":
		return nil
	case s == "runtime/default" || s == "docker/default":
		return &runtime.SecurityProfile{ProfileType: runtime.SecurityProfile_RuntimeDefault}
	default:
		return &runtime.SecurityProfile{ProfileType: runtime.SecurityProfile_Localhost, LocalhostRef: s}
	}
}

// appArmorProfile is the profile's name for process.apparmorProfile. Where AppArmor is off, RuntimeDefault means none and
// Localhost is an error. crisp loads no profile of its own yet, so that RuntimeDefault leaves the process unconfined too.
func appArmorProfile(sc *runtime.LinuxContainerSecurityContext, h Host) (string, error) {
	if sc.GetPrivileged() {
		return "", nil
	}
	p := sc.GetApparmor()
	if p == nil {
		//lint:ignore SA1019 older clients send nothing else
		p = securityProfile(sc.GetApparmorProfile())
	}
	if p == nil || p.GetProfileType() != runtime.SecurityProfile_Localhost {
		return "", nil
	}
	name := strings.TrimPrefix(p.GetLocalhostRef(), "localhost/")
	if name == "" || strings.ContainsAny(name, "\n\r\x00") {
		return "", invalid("apparmor.localhost_ref", fmt.Sprintf("%q is no profile name", name))
	}
	if !h.AppArmor {
		return "", fmt.Errorf("apparmor profile %s: %w: AppArmor is not enabled on this node", name, ErrUnsupported)
	}
	return name, nil
}

// checkSELinux refuses labels where they could not be applied. Label handling itself is not built yet.
func checkSELinux(o *runtime.SELinuxOption, h Host) error {
	if o == nil || o.GetUser() == "" && o.GetRole() == "" && o.GetType() == "" && o.GetLevel() == "" || !h.SELinux {
		return nil
	}
	return fmt.Errorf("selinux_options: %w: crisp does not apply SELinux labels yet", ErrUnsupported)
}
