// SPDX-License-Identifier: Apache-2.0

package cni

import (
	"bytes"
	"encoding/json"
	"testing"

	_ "github.com/containernetworking/cni/pkg/types/020"
	_ "github.com/containernetworking/cni/pkg/types/040"
	types100 "github.com/containernetworking/cni/pkg/types/100"
)

// What can be read can be recorded, and read from the record.
func FuzzConfig(f *testing.F) {
	f.Add([]byte(`{"cniVersion": "1.0.0", "name": "n", "plugins": [{"type": "a", "capabilities": {"portMappings": true}}]}`))
	f.Add([]byte(`{"cniVersion": "0.3.1", "name": "n", "type": "a"}`))
	f.Add([]byte(`{"cniVersion": "1.1.0", "name": "n", "disableGC": "true", "plugins": [{"type": "a"}, null]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		list, err := parseSingle(data)
		if err != nil {
			return
		}
		again, err := inline(list)
		if err != nil {
			return // e.g. bytes that are no UTF-8
		}
		second, err := parseList(again)
		if err != nil {
			t.Fatalf("%s: read at first, then %v", again, err)
		}
		if len(second.Plugins) != len(list.Plugins) {
			t.Fatalf("%d plugins, then %d", len(list.Plugins), len(second.Plugins))
		}
	})
}

func FuzzRecord(f *testing.F) {
	f.Add([]byte(`{"version":1,"id":"aaaaaaaaaaaaaaaa","netns":"/x","config":{"cniVersion":"1.0.0","name":"n","plugins":[{"type":"a"}]},"args":[["a","b"]]}`))
	f.Add([]byte(`{"version":2}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		rec, err := readRecord(bytes.NewReader(data))
		if err != nil {
			return
		}
		rec.runtimeConf()
		if _, err := json.Marshal(rec); err != nil {
			t.Fatal(err)
		}
	})
}

func FuzzResult(f *testing.F) {
	f.Add([]byte(`{"cniVersion":"1.0.0","interfaces":[{"name":"eth0","sandbox":"/x"}],"ips":[{"address":"10.0.0.2/24","interface":0}]}`))
	f.Add([]byte(`{"cniVersion":"1.0.0","ips":[{"address":"10.0.0.2/24","interface":-1}, null]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := types100.NewResult(data)
		if err != nil {
			return
		}
		res, err := convert(r)
		if err != nil {
			return
		}
		for _, ip := range res.IPs {
			if !ip.IsValid() {
				t.Errorf("invalid address in %+v", res)
			}
		}
	})
}
