// SPDX-License-Identifier: Apache-2.0

// Command plugin is a CNI plugin for tests. It reserves addresses as host-local does, one file each, and writes down each call.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// conf is the plugin's configuration. A file "fail ADD" in Dir has ADD fail, and so on, see main.
type conf struct {
	CNIVersion    string         `json:"cniVersion"`
	Name          string         `json:"name"`
	Type          string         `json:"type"`
	RuntimeConfig map[string]any `json:"runtimeConfig,omitempty"`
	PrevResult    map[string]any `json:"prevResult,omitempty"`
	Attachments   []struct {
		ContainerID string `json:"containerID"`
	} `json:"cni.dev/attachments,omitempty"`

	// Dir holds calls, addresses and orders.
	Dir string `json:"dir"`
	// NoAddress: the result has none.
	NoAddress bool `json:"noAddress"`
}

// call is what the plugin writes down.
type call struct {
	Command, Plugin, ID, NetNS, IfName, Args, Path string
	Conf                                           conf
}

func main() { os.Exit(run()) }

func run() int {
	var config conf
	in, err := io.ReadAll(os.Stdin)
	if err == nil {
		err = json.Unmarshal(in, &config)
	}
	if err != nil {
		fmt.Println(`{"code": 6, "msg": "bad configuration"}`)
		return 1
	}
	c := call{
		Command: os.Getenv("CNI_COMMAND"), Plugin: filepath.Base(os.Args[0]), ID: os.Getenv("CNI_CONTAINERID"), NetNS: os.Getenv("CNI_NETNS"),
		IfName: os.Getenv("CNI_IFNAME"), Args: os.Getenv("CNI_ARGS"), Path: os.Getenv("CNI_PATH"), Conf: config,
	}
	if err := writeDown(c); err != nil {
		fmt.Printf(`{"code": 5, "msg": %q}`, err)
		return 1
	}
	has := func(what string) bool {
		_, err := os.Stat(filepath.Join(config.Dir, what+" "+c.Command))
		return err == nil
	}
	switch {
	case has("hang"):
		child := exec.Command("sleep", "600")
		child.Stdout = os.Stdout
		child.Start()
		time.Sleep(time.Hour)
	case has("leave-child"):
		child := exec.Command("sleep", "5")
		child.Stdout = os.Stdout
		child.Start()
	case has("fail"):
		fmt.Println(`{"cniVersion": "1.0.0", "code": 11, "msg": "try again later", "details": "by order"}`)
		return 1
	case has("garbage"):
		fmt.Println("Segmentation fault")
		return 139
	}
	if err := carryOut(c); err != nil {
		fmt.Printf(`{"code": 5, "msg": %q}`, err)
		return 1
	}
	return 0
}

func writeDown(c call) error {
	f, err := os.OpenFile(filepath.Join(c.Conf.Dir, "calls"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	line, err := json.Marshal(c)
	if err != nil {
		return err
	}
	_, err = f.Write(append(line, '\n'))
	return err
}

func carryOut(c call) error {
	switch c.Command {
	case "ADD":
		if c.Conf.PrevResult != nil { // a chained plugin passes it on
			return json.NewEncoder(os.Stdout).Encode(c.Conf.PrevResult)
		}
		return addAddress(c)
	case "DEL":
		return forEachAddress(c.Conf.Dir, func(path, owner string) error {
			if owner == c.ID {
				return os.Remove(path)
			}
			return nil
		})
	case "GC":
		return forEachAddress(c.Conf.Dir, func(path, owner string) error {
			for _, a := range c.Conf.Attachments {
				if a.ContainerID == owner {
					return nil
				}
			}
			return os.Remove(path)
		})
	}
	return nil
}

// addAddress reserves one of 10.0.0.2 to 10.0.0.6, those of a /29.
func addAddress(c call) error {
	if c.Conf.NoAddress {
		return json.NewEncoder(os.Stdout).Encode(map[string]any{"cniVersion": c.Conf.CNIVersion})
	}
	for i := 2; i <= 6; i++ {
		ip := fmt.Sprintf("10.0.0.%d", i)
		f, err := os.OpenFile(filepath.Join(c.Conf.Dir, "ip "+ip), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			continue
		}
		defer f.Close()
		if _, err := f.WriteString(c.ID); err != nil {
			return err
		}
		return json.NewEncoder(os.Stdout).Encode(map[string]any{
			"cniVersion": c.Conf.CNIVersion,
			"interfaces": []map[string]any{{"name": "fake0"}, {"name": c.IfName, "mac": "0a:58:0a:00:00:02", "sandbox": c.NetNS}},
			"ips": []map[string]any{
				{"address": ip + "/29", "interface": 1},
				{"address": "10.0.0.1/29", "interface": 0},
				{"address": fmt.Sprintf("fd00::%d/64", i), "interface": 1},
			},
		})
	}
	return fmt.Errorf("no address left")
}

func forEachAddress(dir string, f func(path, owner string) error) error {
	paths, err := filepath.Glob(filepath.Join(dir, "ip *"))
	if err != nil {
		return err
	}
	for _, p := range paths {
		owner, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		if err := f(p, strings.TrimSpace(string(owner))); err != nil {
			return err
		}
	}
	return nil
}
