# Each target is one command; `make help` lists them.

.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

GO      ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
LDFLAGS := -X github.com/keyd-hsm/keyd/cmd/keyd/command.Version=$(VERSION) \
           -X github.com/keyd-hsm/keyd/cmd/keyctl/command.Version=$(VERSION)
LINT    := $(GO) tool -modfile=tools.mod golangci-lint

# What microbench runs: a regular expression over benchmark names, and the packages.
BENCH    ?= .
PACKAGES ?= ./...
# How long fuzz runs each target.
FUZZTIME ?= 60s

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# What tests need beyond keyd: the PC/SC stack with a virtual reader, the programs
# that judge the virtual card, and PAM's test program. It is the form of scripts/setup.
CARDS := openssl:openssl /usr/sbin/pcscd:pcscd vpcd-config:vsmartcard-vpcd \
	yubico-piv-tool:yubico-piv-tool '/usr/lib/*/libykcs11.so:ykcs11' pamtester:pamtester curl:curl

.PHONY: setup
setup: ## install what build and tests need, with apt-get
	@scripts/setup $(CARDS)

.PHONY: build
build: ## build bin/keyd and bin/keyctl
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/ ./cmd/keyd ./cmd/keyctl

.PHONY: check
check: ## formatting, vet, linters and the quick tests
	@unformatted=$$(gofmt -l .); \
	if [ -n "$$unformatted" ]; then echo "not formatted, run gofmt -w on:"; echo "$$unformatted"; exit 1; fi
	$(GO) vet ./...
	$(LINT) run ./...
	$(GO) test -short $$($(GO) list ./... | grep -v /e2e$$)

.PHONY: test
test: setup ## every test, with the race detector
	$(GO) test -race -count=1 -timeout 30m ./...

.PHONY: demo
demo: ## run the main job live, with explanations
	@scripts/setup
	@$(MAKE) --no-print-directory build
	@scripts/demo

.PHONY: bench
bench: setup build ## measure keyd against a bare HTTP server, then decisions; BENCHFLAGS as in -each 10s
	$(GO) run ./e2e/bench -keyd bin/keyd -dir bin $(BENCHFLAGS)
	$(GO) test -run '^$$' -bench 'Decide|Identities|Grants|Challenge' -timeout 30m ./policy ./authz ./server

.PHONY: microbench
microbench: setup ## run Go's benchmarks; BENCH and PACKAGES choose
	$(GO) test -run '^$$' -bench '$(BENCH)' -timeout 60m $(PACKAGES)

.PHONY: soak
soak: setup ## the long form of the crash and load tests, for hours
	KEYD_SOAK=1 $(GO) test -race -count=1 -timeout 12h -v -run 'Crash|Soak' ./...

.PHONY: clients
clients: setup ## run other people's programs against keyd: SOPS, cosign, AWS's SDKs, …
	@scripts/setup node:nodejs npm:npm
	cd e2e/clients && $(GO) vet ./... && $(GO) test -count=1 -timeout 30m ./...

.PHONY: fuzz
fuzz: ## run every fuzz target for FUZZTIME
	@FUZZTIME=$(FUZZTIME) scripts/fuzz

.PHONY: generate
generate: ## write generated code anew
	$(GO) generate ./...
