// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"text/tabwriter"
	"time"

	"crisp/test/images"
)

// show runs steps and remembers what each took.
type show struct {
	ctx    context.Context
	dir    string
	crictl string
	socket string
	took   []timing
}

type timing struct {
	what string
	time time.Duration
}

func (s *show) step(what string, do func() error) error {
	start := time.Now()
	if err := do(); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	s.took = append(s.took, timing{what, time.Since(start)})
	return nil
}

// run runs crictl as one step, prints the command and its output, and returns the output.
func (s *show) run(args ...string) (string, error) {
	var out string
	line := "crictl " + strings.Join(args, " ")
	fmt.Printf("\n$ %s\n", s.short(line))
	err := s.step("crictl "+args[0], func() error {
		full := append([]string{"-c", "/dev/null", "-r", s.socket, "-i", s.socket, "-t", "30s"}, args...)
		cmd := exec.CommandContext(s.ctx, s.crictl, full...)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		b, err := cmd.Output()
		if err != nil {
			return fmt.Errorf("%w\n%s", err, &stderr)
		}
		out = strings.TrimRight(string(b), "\n")
		return nil
	})
	if err == nil && out != "" {
		fmt.Println(s.short(out))
	}
	return out, err
}

var longID = regexp.MustCompile(`\b[0-9a-f]{64}\b`)

// short leaves out what distracts: the scratch directory, and most of each ID.
func (s *show) short(text string) string {
	text = strings.ReplaceAll(text, s.dir+"/", "")
	return longID.ReplaceAllStringFunc(text, func(id string) string { return id[:12] })
}

type object = map[string]any

func (s *show) write(name string, v any) (string, error) {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return "", err
	}
	path := filepath.Join(s.dir, name)
	return path, os.WriteFile(path, data, 0o644)
}

// pod goes through a pod's life.
func (s *show) pod() error {
	if _, err := s.run("pull", images.Demo); err != nil {
		return err
	}
	pod, err := s.write("pod.json", object{
		"metadata": object{"name": "demo", "namespace": "default", "uid": "demo"}, "hostname": "demo",
		"log_directory": filepath.Join(s.dir, "logs"), "linux": object{},
	})
	if err != nil {
		return err
	}
	podID, err := s.run("runp", pod)
	if err != nil {
		return err
	}
	hello, err := s.container(podID, pod, "hello", nil)
	if err != nil {
		return err
	}
	web, err := s.container(podID, pod, "web", []string{"sh", "-c", "mkdir /www; echo hello from the other container > /www/index.html; exec httpd -f -h /www"})
	if err != nil {
		return err
	}
	for _, args := range [][]string{
		{"ps"}, {"logs", hello}, {"exec", hello, "sh", "-c", "until wget -q -O - http://127.0.0.1/; do sleep 0.01; done 2>/dev/null"},
		{"stop", "--timeout", "1", hello, web}, {"rm", hello, web}, {"stopp", podID}, {"rmp", podID}, {"rmi", images.Demo},
	} {
		if args[0] == "stop" {
			if err := s.address(podID); err != nil {
				return err
			}
		}
		if _, err := s.run(args...); err != nil {
			return err
		}
	}
	return nil
}

// container creates and starts a container of the demo's image.
func (s *show) container(podID, pod, name string, command []string) (string, error) {
	config, err := s.write(name+".json", object{
		"metadata": object{"name": name}, "image": object{"image": images.Demo}, "command": command,
		"log_path": name + ".log", "linux": object{},
		"labels": object{"io.kubernetes.pod.name": "demo", "io.kubernetes.pod.namespace": "default"}, // for crictl ps
	})
	if err != nil {
		return "", err
	}
	id, err := s.run("create", podID, config, pod)
	if err != nil {
		return "", err
	}
	_, err = s.run("start", id)
	return id, err
}

// address prints the pod's IP out of its status.
func (s *show) address(podID string) error {
	_, err := s.run("inspectp", "-o", "go-template", "--template", "the pod's IP: {{.status.network.ip}}", podID)
	return err
}

// times prints what each step took, crictl's own start included.
func (s *show) times() error {
	start := time.Now()
	if err := exec.CommandContext(s.ctx, s.crictl, "--version").Run(); err != nil {
		return err
	}
	own := time.Since(start)
	fmt.Println("\nWhat each step took:")
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 3, ' ', tabwriter.AlignRight)
	for _, t := range s.took {
		fmt.Fprintf(w, "%s\t%.0f ms\t\n", t.what, t.time.Seconds()*1e3)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Printf("(the start of a crictl process alone: %.0f ms)\n", own.Seconds()*1e3)
	return nil
}
