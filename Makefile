# SPDX-License-Identifier: Apache-2.0

VERSION ?= 0.1.0
COMMIT  ?= $(shell git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)
PREFIX  ?= /usr/local
DESTDIR ?=

GO ?= go
# Reproducible: no paths, no time, no state of the version control in the binary but the commit.
LDFLAGS := -s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT)
# No HTML templates for traces; OpenPGP in Go. The tests are built with the same.
export GOFLAGS := $(GOFLAGS) -tags=grpcnotrace,containers_image_openpgp
BUILD    = CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false -ldflags '$(LDFLAGS) $(ENTRY)'

.DEFAULT_GOAL := build
.PHONY: test-power test-weakened bench-oci bench-pull build conmon deps go-version demo test test-vm lint fuzz bench install clean help

build: bin/crisp bin/crisp-oci ## build bin/crisp and bin/crisp-oci, static, with crisp-conmon in them

# The go command knows best what is out of date.
.PHONY: bin/crisp bin/crisp-oci
bin/crisp bin/crisp-oci: conmon
	$(BUILD) -o $@ ./cmd/$(@F)

# It begins in cmd/crisp-oci/entry_*.s. The settings are those of its main.go, and no huge pages for a heap of a few hundred KiB: where
# the kernel gives them to everybody, they were 3 MiB of every command. go:debug does not know that one.
bin/crisp-oci: private ENTRY := -E main.entry -X runtime.godebugDefault=containermaxprocs=0,updatemaxprocs=0,disablethp=1

conmon: deps
	$(MAKE) -C conmon

deps: go-version ## install what is missing, with apt-get, as root on Debian
	@test/deps

go-version:
	@want=$$(sed -n 's/^go //p' go.mod); have=$$($(GO) env GOVERSION 2>/dev/null); \
	[ -n "$$have" ] || { echo "make: Go is not installed; crisp needs Go $$want or newer (https://go.dev/dl)" >&2; exit 1; }; \
	$(GO) list -m >/dev/null || { echo "make: $$have does not build crisp, which needs Go $$want or newer (https://go.dev/dl)" >&2; exit 1; }

demo: build ## run a pod from nothing and show each step's time (root)
	$(GO) run ./test/demo

test: build ## run every check: vet, staticcheck, unit, fuzz seeds, sanitizers, integration, critest (root; skips say why)
	$(GO) run ./test/suite $(if $(ONLY),-only $(ONLY))

test-vm: build ## the runtime's and the CRI's tests in a virtual machine: cgroup v2, AppArmor, systemd (root; KVM or emulation)
	$(GO) run ./test/suite -only vm-all

lint: conmon ## gofmt, vet, staticcheck
	$(GO) run ./test/suite -only gofmt,vet,staticcheck

fuzz: conmon ## run each Go fuzz test for FUZZTIME (60s), the C ones for FUZZ_N mutations (5 million)
	$(MAKE) -C conmon fuzz-smoke FUZZ_N=$(or $(FUZZ_N),5000000)
	FUZZTIME=$(or $(FUZZTIME),60s) $(GO) run ./test/suite -only fuzz

bench: build ## measure a scratch crisp, print tables (root)
	$(GO) run ./test/bench

bench-oci: build ## measure crisp-oci beside crun and runc, print tables (root)
	$(GO) run ./test/bench/oci

bench-pull: build ## measure image pulls beside containerd's, print tables (root)
	$(GO) run ./test/bench/pull

install: build ## install into DESTDIR/PREFIX
	install -D -m 0755 bin/crisp $(DESTDIR)$(PREFIX)/bin/crisp
	install -D -m 0755 bin/crisp-oci $(DESTDIR)$(PREFIX)/bin/crisp-oci
	install -D -m 0644 contrib/systemd/crisp.service $(DESTDIR)$(PREFIX)/lib/systemd/system/crisp.service

test-power: ## cut the power of a virtual machine that pulls and removes images, 100 times (root)
	$(GO) run ./test/power

test-weakened: conmon ## prove that the attacks of test/security can fail (root)
	$(GO) run ./test/security/weaken

clean: ## remove what was built
	rm -rf bin test/.cache
	$(MAKE) -C conmon clean

help: ## print this
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "%-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
