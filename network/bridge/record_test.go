// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"bytes"
	"net/netip"
	"os"
	"reflect"
	"strings"
	"testing"

	"crisp/network/attachment"
)

const podID = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

func TestRecordsAreReadAsTheyWereWritten(t *testing.T) {
	s := records{dir: t.TempDir()}
	want := record{
		Version: recordVersion, ID: podID, Pod: "default/web", IPv4: netip.MustParseAddr("10.0.0.2"), IPv6: netip.MustParseAddr("fd00::2"),
		Ports: []portRecord{
			{Protocol: attachment.TCP, HostPort: 8080, ContainerPort: 80},
			{Protocol: attachment.UDP, HostIP: netip.MustParseAddr("2001:db8::1"), HostPort: 53, ContainerPort: 53},
		},
	}
	if err := s.save(want); err != nil {
		t.Fatal(err)
	}
	got, err := s.load(func(name string, err error) { t.Errorf("%s: %v", name, err) })
	if err != nil || len(got) != 1 || !reflect.DeepEqual(got[0], want) {
		t.Errorf("read %+v, %v\nwant %+v", got, err, want)
	}
}

// What version 1 wrote must be readable for ever.
func TestVersion1(t *testing.T) {
	const v1 = `{"version":1,"id":"` + podID + `","pod":"default/web","ipv4":"10.0.0.2","ipv6":"fd00::2",` +
		`"ports":[{"protocol":"udp","host_ip":"2001:db8::1","host_port":53,"container_port":5353}],"later":"ignored"}`
	r, err := readRecord(strings.NewReader(v1))
	if err != nil || r.ID != podID || r.IPv6.String() != "fd00::2" || r.Ports[0].ContainerPort != 5353 {
		t.Errorf("%+v, %v", r, err)
	}
}

func FuzzRecord(f *testing.F) {
	f.Add([]byte(`{"version":1,"id":"` + podID + `","ipv4":"10.0.0.2","ipv6":"fd00::2","ports":[{"protocol":"tcp","host_port":1,"container_port":1}]}`))
	f.Add([]byte(`{"version":1,"id":"` + podID + `","ipv4":"::ffff:10.0.0.2","ipv6":"fe80::1%eth0"}`))
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := readRecord(bytes.NewReader(data))
		if err != nil {
			return
		}
		table := newPortMaps((&nat{bridge: "x"}).table())
		for _, e := range table.elements(r) {
			if len(e.el.Key) != int(e.in.set.KeyType.Bytes) || len(e.el.Val) != int(e.in.set.DataType.Bytes) {
				t.Errorf("element of %d and %d bytes for map %s", len(e.el.Key), len(e.el.Val), e.in.set.Name)
			}
		}
		hardwareAddr(r.IPv4)
		_ = hostLinkName(r.ID)
	})
}

func TestRecordOfAKilledWriterIsDropped(t *testing.T) {
	s := records{t.TempDir()}
	torn := s.path("p1")[:len(s.path("p1"))-len(".json")] + asideSuffix
	if err := os.WriteFile(torn, []byte(`{"version":1,"id":`), 0o600); err != nil {
		t.Fatal(err)
	}
	all, err := s.load(func(name string, err error) { t.Errorf("%s is complained about: %v", name, err) })
	if err != nil || len(all) != 0 {
		t.Fatalf("%v, %v", all, err)
	}
	if _, err := os.Lstat(torn); !os.IsNotExist(err) {
		t.Fatalf("it is still there: %v", err)
	}
}
