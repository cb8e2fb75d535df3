// SPDX-License-Identifier: Apache-2.0

package systemd

import (
	"errors"
	"reflect"
	"testing"

	godbus "github.com/godbus/dbus/v5"

	"crisp/oci/cgroup/systemd/dbus"
)

func TestPropertiesOfAnnotations(t *testing.T) {
	got, err := annotated(map[string]string{
		"org.systemd.property.TimeoutStopUSec": "uint64 123456789", "org.systemd.property.CollectMode": "'inactive-or-failed'",
		"org.systemd.property.KillSignal": "int32 9", "org.systemd.property.SendSIGHUP": "true", "org.systemd.property.RuntimeMaxSec": "60",
		"org.systemd.property.Description": `"it's \"quoted\""`, "org.systemd.propertyless": "x", "io.kubernetes": "y",
	})
	want := dbus.Properties{
		{Name: "CollectMode", Value: "inactive-or-failed"}, {Name: "Description", Value: `it's "quoted"`}, {Name: "KillSignal", Value: int32(9)},
		{Name: "RuntimeMaxUSec", Value: uint64(60000000)}, {Name: "SendSIGHUP", Value: true}, {Name: "TimeoutStopUSec", Value: uint64(123456789)},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v, %v", got, err)
	}
}

// TestNoPropertyInjection is CVE-2024-3154: whoever writes a pod's annotations must not have the node's systemd run programs, act on other
// units or processes, lift the limits that the kubelet has set, or end the machine.
func TestNoPropertyInjection(t *testing.T) {
	f := newFake(t)
	for name, value := range map[string]string{
		"ExecStartPost": "[('/bin/sh', ['sh','-c','id'], false)]", "ExecStart": "[('/bin/sh', ['sh'], false)]", "BPFProgram": "[('egress','/x')]",
		"IPIngressFilterPath": "['/x']", "Slice": "'system.slice'", "PIDs": "[uint32 1]", "MemoryMax": "uint64 18446744073709551615",
		"TasksMax": "uint64 18446744073709551615", "CPUQuotaPerSecUSec": "uint64 1", "CPUQuotaPerSec": "1", "Delegate": "false", "DevicePolicy": "'auto'", "DeviceAllow": "[('/dev/sda','rwm')]",
		"Conflicts": "['kubelet.service']", "OnFailure": "['poweroff.target']", "OnSuccess": "['reboot.target']", "Wants": "['rescue.target']", "Requires": "['a.service']",
		"Before": "['basic.target']", "After": "['a.service']", "PropagatesStopTo": "['kubelet.service']", "FailureAction": "'poweroff-force'", "SuccessAction": "'reboot'", "JobTimeoutAction": "'reboot-force'",
		"JobTimeoutSec": "1", "StartLimitAction": "'reboot'", "User": "'root'", "Controller": "':1.1'", "DefaultDependencies": "true", "": "'x'", "a b": "'x'", "Description\n[Service]": "'x'",
		"timeoutstopusec": "uint64 1", "TimeoutStopUSecUSec": "1",
	} {
		q := request(t, f.Driver, "kubepods.slice:crisp:x")
		q.Annotations = map[string]string{prefix + name: value}
		if _, err := f.Start(t.Context(), q); !errors.Is(err, ErrProperty) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, value := range map[string]string{ // the right name, what is no value of its type
		"TimeoutStopUSec": "'1'", "TimeoutStopSec": "18446744073709551615", "RuntimeMaxUSec": "-1", "KillSignal": "uint64 99999999999", "SendSIGKILL": "1",
		"Description": "'a'\nSlice='system.slice'", "KillMode": "none", "CollectMode": "@s 'x'", "OOMPolicy": "['kill']",
	} {
		q := request(t, f.Driver, "kubepods.slice:crisp:x")
		q.Annotations = map[string]string{prefix + name: value}
		if _, err := f.Start(t.Context(), q); !errors.Is(err, ErrProperty) {
			t.Errorf("%s=%s: %v", name, value, err)
		}
	}
	if _, holders := f.count(); holders > 0 || len(f.asked()) > 0 {
		t.Error("something was asked of systemd")
	}
}

func TestAPropertyIsGivenOnce(t *testing.T) {
	if _, err := annotated(map[string]string{prefix + "TimeoutStopSec": "1", prefix + "TimeoutStopUSec": "2"}); !errors.Is(err, ErrProperty) {
		t.Error(err)
	}
}

// FuzzParseProperty: a value that is taken is what the library of runc takes it for.
func FuzzParseProperty(f *testing.F) {
	for _, s := range []string{"'x'", `"x"`, `'it\'s'`, `'a\\b'`, "uint64 5", "5", "0x10", "-3", "true", "boolean false", "int32 9", "''", `'\n'`, "string 'x'", "byte 3", "'a", "uint64  7", "''''"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, name := range []string{"Description", "KillSignal", "SendSIGHUP", "TimeoutStopUSec"} {
			p, err := parseProperty(name, text)
			if err != nil {
				continue
			}
			signature, err := godbus.ParseSignature(typeOf(name))
			if err != nil {
				t.Fatal(err)
			}
			v, err := godbus.ParseVariant(text, signature)
			if err == nil && !reflect.DeepEqual(v.Value(), p.Value) {
				t.Errorf("%s=%q: %#v, the library says %#v", name, text, p.Value, v.Value())
			}
		}
	})
}
