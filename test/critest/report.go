// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// spec is the outcome of one spec.
type spec struct {
	name    string
	state   string // ginkgo's word: passed, failed, panicked, timedout, interrupted, skipped, pending
	message string // why it failed or was skipped
	took    time.Duration
}

func (s spec) passed() bool { return s.state == "passed" }

func (s spec) skipped() bool { return s.state == "skipped" || s.state == "pending" }

// ran is false for what the suite itself leaves out: benchmarks, and what -focus and -skip exclude.
func (s spec) ran() bool { return !s.skipped() || s.message != "" }

// parseReport reads ginkgo's JSON report (github.com/onsi/ginkgo/v2/types, Report): one suite with a report a node. What fails
// outside a spec, a BeforeSuite for instance, becomes a spec by the node's name.
func parseReport(data []byte) ([]spec, error) {
	var suites []struct {
		SpecReports []struct {
			ContainerHierarchyTexts []string
			LeafNodeText            string
			LeafNodeType            string
			State                   string
			RunTime                 time.Duration
			Failure                 struct {
				Message  string
				Location struct {
					FileName   string
					LineNumber int
				}
			}
		}
	}
	if err := json.Unmarshal(data, &suites); err != nil {
		return nil, fmt.Errorf("ginkgo's report: %w", err)
	}
	var specs []spec
	for _, suite := range suites {
		for _, r := range suite.SpecReports {
			s := spec{name: strings.Join(append(r.ContainerHierarchyTexts, r.LeafNodeText), " "), state: r.State, took: r.RunTime}
			if r.LeafNodeType != "It" {
				if s.passed() {
					continue
				}
				s.name = r.LeafNodeType
			}
			if r.Failure.Message != "" {
				at := r.Failure.Location
				s.message = fmt.Sprintf("%s:%d: %s", at.FileName, at.LineNumber, r.Failure.Message)
			}
			specs = append(specs, s)
		}
	}
	return specs, nil
}
