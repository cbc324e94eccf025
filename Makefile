# Rollcall. `make` lists the targets. Nothing needs installing by hand: Go, make, git, and PostgreSQL's binaries or a way
# to download them.

SHELL      := /bin/bash -o pipefail
GENERATE   := go tool -modfile=internal/tools/generate.mod
LINT       := go tool -modfile=internal/tools/lint.mod
BENCHSTAT  := go tool -modfile=internal/tools/bench.mod benchstat
GENERATED  := gen internal/contract/openapi.yaml
REDOCLY    := npx --yes @redocly/cli@2.77.0
TESTFLAGS  ?=
FUZZTIME   ?= 30s
REPORT     := $(CURDIR)/bin/test-report.tsv
FUZZSECONDS ?= 300
BENCHFLAGS ?=
GROWTHFLAGS ?=
MICRO      ?= ./internal/contract/... ./internal/db ./internal/audit ./internal/masklog ./internal/server
# grpc's pages of its own traces are left out: they use html/template, with which the linker keeps all methods of all types.
TAGS       := grpcnotrace
VERSION    ?= $(shell git describe --tags --always --dirty 2>/dev/null)

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-12s %s\n", $$1, $$2}'

.PHONY: run
run: ## Serve the demo school on http://127.0.0.1:8080, with a database of its own
	@test -x bin/rollcall || echo "Building; the first time takes a minute or two."
	@$(MAKE) --no-print-directory build
	@exec bin/rollcall dev

.PHONY: build
build: ## Build bin/rollcall
	@CGO_ENABLED=0 go build -tags $(TAGS) -trimpath -o bin/rollcall ./cmd/rollcall

.PHONY: release
release: ## Build bin/rollcall to be given away: static, stripped, with its version (VERSION, or git's tag)
	@CGO_ENABLED=0 go build -tags $(TAGS) -trimpath -ldflags '-s -w -X github.com/rollcall-erp/rollcall/internal/version.stamped=$(VERSION)' -o bin/rollcall ./cmd/rollcall
	@bin/rollcall version

.PHONY: generate
generate: ## Regenerate gen/ from openapi.yaml, queries/ and schema/
	@mkdir -p gen/api gen/client gen/db
	@cp openapi.yaml internal/contract/openapi.yaml
	@$(GENERATE) oapi-codegen -config internal/tools/server.yaml openapi.yaml
	@$(GENERATE) oapi-codegen -config internal/tools/client.yaml openapi.yaml
	@$(GENERATE) sqlc generate

.PHONY: test
test: test-tools build ## Run all tests, with the race detector, on a real PostgreSQL, a real Redis and a real browser
	@mkdir -p bin && rm -f $(REPORT)
	@export ROLLCALL_TEST_REPORT=$(REPORT); go test -race -shuffle=on -timeout 20m $(TESTFLAGS) ./...; status=$$?; \
	internal/tools/schemathesis/run.sh 90 --seed 1 || status=1; \
	[ ! -f $(REPORT) ] || awk -F '\t' -f internal/testreport/summary.awk $(REPORT); exit $$status

.PHONY: test-pooler
test-pooler: test-tools ## Run the tests of database and server behind PgBouncer, in transaction mode
	ROLLCALL_TEST_POOLER=pgbouncer go test -timeout 20m $(TESTFLAGS) ./internal/db ./internal/server ./internal/auth ./internal/academic ./internal/jobs

.PHONY: torture
torture: test-tools ## Break network, PostgreSQL and Redis for longer; the figures go into docs/reliability.md (15 minutes at most)
	@mkdir -p bin && rm -f bin/torture
	ROLLCALL_TORTURE=$(CURDIR)/bin/torture go test -count=1 -timeout 15m -p 1 -parallel 4 \
		-run 'Toxic|Freeze|Crash|Overload|Deadlocks|TestServe_(sigterm|killed)' ./internal/torture ./internal/db ./cmd/rollcall
	@awk '/torture: end/ { print "| what | figures |\n|---|---|"; while ((getline row < "bin/torture") > 0) print row; inside = 0 } \
		!inside { print } /torture: begin/ { inside = 1 }' docs/reliability.md > bin/reliability.md && mv bin/reliability.md docs/reliability.md
	@cat bin/torture

.PHONY: lint
lint: alerts ## Run the linters, go vet, redocly on openapi.yaml, promtool on the alerts, and govulncheck where its database can be reached
	$(REDOCLY) lint --config internal/tools/redocly.yaml openapi.yaml
	go vet ./...
	$(LINT) golangci-lint run
	@if curl -sfL -m 10 -o /dev/null https://vuln.go.dev/index/modules.json; then \
		$(LINT) govulncheck ./...; \
	else \
		echo 'govulncheck: its database cannot be reached from here; not run'; \
	fi

# Prometheus' own check of the rules, and of when they fire. Debian's promtool: to build it takes minutes.
.PHONY: alerts
alerts: ## Check and test the alert rules of docs/operate
	@$(call need,promtool,prometheus,promtool for the alert rules)
	promtool check rules --lint=all --lint-fatal docs/operate/alerts.yaml
	promtool test rules docs/operate/alerts-test.yaml

.PHONY: verify
verify: ## Fail when generated files or go.mod are not what their sources make
	@before=$$(find $(GENERATED) -type f | LC_ALL=C sort | xargs sha256sum); \
	$(MAKE) --no-print-directory generate; \
	after=$$(find $(GENERATED) -type f | LC_ALL=C sort | xargs sha256sum); \
	if ! diff <(echo "$$before") <(echo "$$after"); then \
		echo 'Generated files were stale; they are regenerated now: commit them.'; exit 1; \
	fi
	@go mod tidy -diff
	@internal/tools/api-changes.sh check
	@diff <(internal/tools/api-changes.sh changelog) docs/api-changelog.md || { echo 'docs/api-changelog.md is stale: make api-changelog'; exit 1; }
	@echo 'Generated files and go.mod are up to date.'

.PHONY: fmt
fmt: ## Format the Go code
	@$(LINT) golangci-lint fmt

.PHONY: bench
bench: build ## Measure the service against a Go floor and pgbench; the figures go into docs/performance.md (twelve minutes, and ten more the first time)
	@CGO_ENABLED=0 go build -trimpath -o bin/bench-run ./internal/bench
	@bin/bench-run -write docs/performance.md -plot docs/performance.svg $(BENCHFLAGS)

.PHONY: growth
growth: build ## Measure what more rows and more tenants cost; the figures go into docs/scale.md (some forty minutes the first time: it makes 2,000,000 students and 1,000 tenants)
	@CGO_ENABLED=0 go build -trimpath -o bin/bench-run ./internal/bench
	@bin/bench-run growth -write docs/scale.md -plot docs/growth.svg $(GROWTHFLAGS)

.PHONY: bench-micro
bench-micro: ## Run the micro-benchmarks five times, and compare with the run before
	@mkdir -p bin && if [ -f bin/bench.txt ]; then mv bin/bench.txt bin/bench-before.txt; fi
	go test -run '^$$' -bench . -benchmem -count 5 $(MICRO) | tee bin/bench.txt
	@if [ -f bin/bench-before.txt ]; then $(BENCHSTAT) bin/bench-before.txt bin/bench.txt; fi

.PHONY: startup
startup: ## Measure how long a start takes with 1,000 tenants, which are made first (docs/operate/README.md; a quarter of an hour)
	ROLLCALL_BENCH_TENANTS=1000 go test -run '^$$' -bench Serve_ready -benchtime 10x -timeout 1h ./cmd/rollcall

.PHONY: indexes
indexes: build ## Measure every query on 200,000 students, with and without the indexes (docs/indexes.md; a quarter of an hour)
	bin/rollcall plans --compare --students 200000 --write docs/indexes.md

.PHONY: fuzz
fuzz: ## Fuzz decoder, normaliser, body check and cursor, FUZZTIME each
	go test -run '^$$' -fuzz FuzzDecode -fuzztime $(FUZZTIME) ./internal/contract/strictjson
	go test -run '^$$' -fuzz FuzzString -fuzztime $(FUZZTIME) ./internal/contract/normalize
	go test -run '^$$' -fuzz FuzzCheckBody -fuzztime $(FUZZTIME) ./internal/contract
	go test -run '^$$' -fuzz FuzzRead -fuzztime $(FUZZTIME) ./internal/page

# The race detector needs a C compiler, the test of /docs a browser, shared limits Redis, the pooler PgBouncer, Schemathesis Python. Debian's are installed when we may; otherwise the
# message says what is missing.
.PHONY: test-tools browser python
test-tools: browser client-ts python ## Install what only the tests need, if it is missing (Debian, as root)
	@$(call need,gcc,gcc libc6-dev,a C compiler for the race detector)
	@$(call need,redis-server,redis-server,Redis for the limits that instances share)
	@$(call need,pgbouncer /usr/sbin/pgbouncer,pgbouncer,PgBouncer for the tests behind it)
browser:
	@$(call need,chromium chromium-browser google-chrome,chromium,a browser for the test of /docs)
python:
	@python3 -c 'import ensurepip, venv' 2>/dev/null || { $(call need,python3-venv,python3 python3-venv,Python with venv for Schemathesis); }

# need: any of the commands $(1) is there, or Debian's packages $(2) are installed, or $(3) is named as missing.
need = if command -v $(1) >/dev/null; then exit 0; fi; \
	if command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $(2) >/dev/null; \
	else \
		echo 'make $@ needs $(3): install one of $(1).'; exit 1; \
	fi

.PHONY: client-ts
client-ts: ## Make the TypeScript types of openapi.yaml, and compile the example that uses them
	@$(call need,npm,nodejs npm,Node.js for the TypeScript client)
	@cd docs/client-typescript && npm ci --silent --no-fund --no-audit && npm run --silent types && npm run --silent build

.PHONY: docs-images
docs-images: browser ## Write the screenshots of /docs, on a phone and on a desktop, into docs/images
	@mkdir -p docs/images
	ROLLCALL_DOCS_IMAGES=$(CURDIR)/docs/images go test -count=1 -run TestDocs_workInARealBrowser ./internal/server

.PHONY: api-changelog
api-changelog: ## Write docs/api-changelog.md: openapi.yaml against the last released document
	@internal/tools/api-changes.sh changelog > docs/api-changelog.md

.PHONY: schemathesis
schemathesis: build python ## Run Schemathesis on a demo school of its own, FUZZSECONDS long, with the dice of SEED
	@internal/tools/schemathesis/run.sh $(FUZZSECONDS) $(if $(SEED),--seed $(SEED))

.PHONY: check-generators
check-generators: ## Check that other generators make clients of openapi.yaml that compile (npm, PyPI)
	@internal/tools/check-generators.sh

.PHONY: clean
clean: ## Remove build results; the demo's data in .data stays
	@rm -rf bin
