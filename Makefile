# Every target sets up what it needs; `make help` lists them.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
# Cargo runs in parallel by itself, and apt-get must not.
.NOTPARALLEL:
MAKEFLAGS += --no-builtin-rules

# Everything is built below target/, whatever the environment says.
export CARGO_TARGET_DIR := $(CURDIR)/target
unexport CARGO_BUILD_TARGET
# rustup's cargo even where no shell has read its settings; Debian's cannot
# build the host.
ifeq ($(filter-out /usr/bin/cargo,$(shell command -v cargo 2>/dev/null)),)
export PATH := $(or $(CARGO_HOME),$(HOME)/.cargo)/bin:$(PATH)
endif

# What is built natively together, so that cargo compiles a shared dependency
# once, with the features that all of them want.
NATIVE := --package log-processor --package guest-build --package corpus --package bench --package fake-aws
# Most tests wait for a process, which waits: more of them at once than there are cores.
THREADS = $(shell echo $$((8 * $$(nproc))))
# Those in Python keep a process each busy.
WORKERS = $(shell echo $$((2 * $$(nproc))))
PROFILE := release
PROFILE_DIR = $(if $(filter dev,$(PROFILE)),debug,$(PROFILE))
# What is tested, below target/tested: this workspace's packages without optimisation and
# with all checks, on the dependencies that the release build has too (Cargo.toml).
TESTED := CARGO_TARGET_DIR=$(CURDIR)/target/tested CARGO_BUILD_BUILD_DIR=$(CURDIR)/target CARGO_INCREMENTAL=1 \
	CARGO_PROFILE_RELEASE_OPT_LEVEL=0 CARGO_PROFILE_RELEASE_DEBUG_ASSERTIONS=true CARGO_PROFILE_RELEASE_OVERFLOW_CHECKS=true
GUEST_BUILD = target/$(PROFILE_DIR)/guest-build
BUILD_GUEST_BUILD = cargo build --locked --profile $(PROFILE) $(NATIVE) --bin guest-build

# Packages of this workspace that the tests load as guests, from target/guest/fixtures.
FIXTURES := both-guest draft-guest hostile-guest redactor-guest rewriter-guest wasi-guest
# Python's interpreter and library are in it: 18 MB.
PYTHON_GUEST := target/guest/fixtures/python-guest
JAVASCRIPT_GUEST := target/guest/fixtures/javascript-guest

sources = $(shell find $(1) -type f \( -name '*.rs' -o -name '*.wit' -o -name Cargo.toml \))
GUEST_SOURCES := $(call sources,guests/default guests/record/src wit/0.1.0) guests/record/Cargo.toml \
	Cargo.toml Cargo.lock tools/build-guest.sh
# The compiled form depends on how the host sets its engine.
HOST_SOURCES := $(call sources,host/model host/sandbox guests/build)

.PHONY: help
help: ## This list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: guest ## Try it: a small corpus of logs through the whole pipeline, no cloud account
	cargo build --locked --release $(NATIVE) --bin log-processor --bin corpus
	@rm -rf target/demo
	@target/release/corpus demo target/demo
	@target/release/log-processor local --objects target/demo/objects \
		--tenants target/demo/tenants.yaml --output target/demo/output \
		--report target/demo/report.json

.PHONY: test
test: setup format guest fixtures python-guest javascript-guest registry target/venv/made ## All checks and tests
	$(TESTED) cargo clippy --locked --release --workspace --all-targets -- -D warnings
	$(TESTED) RUST_TEST_THREADS=$${RUST_TEST_THREADS:-$(THREADS)} cargo test --locked --release --workspace \
		--exclude default-guest $(addprefix --exclude ,$(FIXTURES))
	tools/test-guest.sh record
	@$(MAKE) --no-print-directory e2e LOG_PROCESSOR=$(CURDIR)/target/tested/release/log-processor

# `make test` has the binary from its other tests; LOG_PROCESSOR=… tests any.
.PHONY: e2e
e2e: guest fixtures registry target/venv/made ## End to end against moto, an AWS emulator, and a container registry
	$(if $(LOG_PROCESSOR),,$(TESTED) cargo build --locked --release $(NATIVE) --bin log-processor)
	target/venv/bin/python -B -m pytest --quiet -p no:cacheprovider --numprocesses $(WORKERS) --basetemp target/e2e tests/e2e

.PHONY: registry
registry: target/registry/made

target/registry/made: tools/setup-registry.sh
	@tools/setup-registry.sh target/registry
	@touch $@

target/venv/made: tests/e2e/requirements.txt
	@rm -rf target/venv
	@mkdir -p target
	@python3 -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo 'The end-to-end tests need python3, 3.11 or later, with venv: on Debian, apt-get install python3-venv' >&2; \
		exit 1; \
	}
	python3 -m venv target/venv
	target/venv/bin/pip --quiet --disable-pip-version-check install --no-deps --requirement $<
	target/venv/bin/pip --disable-pip-version-check check
	@touch $@

.PHONY: build
build: guest ## The release binary: target/release/log-processor
	cargo build --locked --release $(NATIVE)

# One program, as small and fast as it gets; for hours of running, minutes of linking.
.PHONY: dist
dist: PROFILE := dist
dist: guest ## The binary as the image has it: target/dist/log-processor
	cargo build --locked --profile dist $(NATIVE) --bin log-processor

.PHONY: image-check
image-check: build ## The image's files put together and run here, without a container engine
	tools/image-check.sh target/release/log-processor target/release/corpus

.PHONY: bench
bench: build fixtures ## What docs/PERFORMANCE.md's numbers come from
	target/release/bench

.PHONY: guest
guest: target/guest/default.built ## The default guest: target/guest/default.wasm, and compiled for this machine

# A stamp, because the two files are only touched where they change: the host
# embeds them, and would be linked again.
target/guest/default.built: target/guest/default.core.wasm $(HOST_SOURCES) Cargo.lock
	$(BUILD_GUEST_BUILD)
	$(GUEST_BUILD) $< --component target/guest/new.wasm --precompiled target/guest/new.cwasm
	@for form in wasm cwasm; do \
		if cmp -s target/guest/new.$$form target/guest/default.$$form; \
		then rm target/guest/new.$$form; \
		else mv target/guest/new.$$form target/guest/default.$$form; fi; \
	done
	@touch $@

target/guest/default.core.wasm: $(GUEST_SOURCES) | toolchain
	tools/build-guest.sh default-guest $@

# Cargo decides what is stale here: fixtures share no list of sources.
.PHONY: fixtures
fixtures: guest
	$(if $(FIXTURES),$(BUILD_GUEST_BUILD))
	@for package in $(FIXTURES); do \
		core="target/guest/fixtures/$$package.core.wasm"; \
		tools/build-guest.sh "$$package" "$$core" $$([ "$$package" != wasi-guest ] || echo wasm32-wasip1); \
		$(GUEST_BUILD) "$$core" --component "target/guest/fixtures/$$package.wasm"; \
	done

# Compiling it takes 20 CPU seconds: so once, and not in each test.
.PHONY: python-guest
python-guest: $(PYTHON_GUEST).cwasm

$(PYTHON_GUEST).cwasm: $(PYTHON_GUEST).wasm host/sandbox/src/engine.rs Cargo.lock
	$(BUILD_GUEST_BUILD)
	$(GUEST_BUILD) $< --precompiled $@

$(PYTHON_GUEST).wasm: tests/guests/python/python_guest.py wit/0.1.0/plugin.wit target/venv/made
	@mkdir -p $(@D)
	target/venv/bin/componentize-py --quiet --wit-path wit/0.1.0 --world rewriter \
		componentize --python-path tests/guests/python --output $@ python_guest

# No digest of it is pinned: componentize-qjs makes other bytes each time.
.PHONY: javascript-guest
javascript-guest: $(JAVASCRIPT_GUEST).wasm

$(JAVASCRIPT_GUEST).wasm: $(wildcard tests/guests/javascript/*.js tests/guests/javascript/wit/*.wit) \
		wit/0.1.0/plugin.wit target/javascript/made
	@mkdir -p $(@D)
	target/javascript/node target/javascript/node_modules/componentize-qjs/bin/componentize-qjs --sync \
		--wit tests/guests/javascript/wit --world guest --module-root tests/guests/javascript \
		--js tests/guests/javascript/guest.js --output $@

target/javascript/made: tests/guests/javascript/package-lock.json tools/setup-javascript.sh target/venv/made
	@tools/setup-javascript.sh target/javascript target/venv
	@touch $@

.PHONY: setup
setup: ## Install what building and testing need: Rust's wasm targets, rustfmt, clippy
	@tools/setup-wasm.sh --checks

.PHONY: toolchain
toolchain:
	@tools/setup-wasm.sh

.PHONY: format
format: | setup
	cargo fmt --all --check

.PHONY: clean
clean: ## Remove all that was built
	rm -rf target
