# Few targets, each does one thing. `make` alone lists them.
# Everything runs in .venv, which `setup` makes and keeps current; nothing is installed outside it.

PYTHON ?= python3
BIN := .venv/bin
CARGO := $(shell command -v cargo 2>/dev/null)
CRATE := sidecar/native/Cargo.toml
NPM := $(shell command -v npm 2>/dev/null)
CONSOLE := ledger/console
CONSOLE_READY := $(if $(NPM),.venv/.console-ready)
CONSOLE_SOURCES := $(wildcard $(CONSOLE)/*.* $(CONSOLE)/.npmrc protos/holdfast/v1/*.proto) \
	$(shell find $(CONSOLE)/src $(CONSOLE)/public -type f -not -path '*/contract/*' 2>/dev/null)
CRATE_SOURCES := $(CRATE) sidecar/native/Cargo.lock $(shell find sidecar/native/src -name '*.rs' 2>/dev/null)

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint format proto lock bench sim

help: ## Lists the targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 10

# The stamp's name holds the toolchain's presence, so that Rust installed later is noticed.
PROJECT_READY := .venv/.project-ready$(if $(CARGO),-native,-portable)

setup: $(PROJECT_READY) $(CONSOLE_READY) ## Makes or refreshes .venv; native module if Rust is here, console if Node is
	@.ci/setup report

.venv/.dependencies-ready: requirements/dev.lock .ci/setup
	@PYTHON="$(PYTHON)" .ci/setup dependencies
	@touch $@

$(PROJECT_READY): .venv/.dependencies-ready pyproject.toml $(CRATE_SOURCES) $(CARGO)
	@.ci/setup project
	@touch $@

.venv/.console-ready: .venv/.dependencies-ready $(CONSOLE_SOURCES) $(NPM)
	@.ci/setup console
	@touch $@

demo: setup ## One host end to end, with a reconciliation at its end; TRACE=FILE replays a trace, ARGS=--quick is short
	@$(BIN)/holdfast demo $(if $(TRACE),--trace "$(TRACE)") $(ARGS)

test: setup ## Runs the whole test suite; ARGS="-k name" narrows it
	@$(BIN)/python -m pytest $(ARGS)

lint: setup ## Checks style, types, protos, freshness of generated code, and the Rust crate if Rust is here
	@.ci/lint

format: setup ## Formats Python, protos and Rust in place
	@.ci/format

proto: setup ## Regenerates the Python code from protos/
	@.ci/proto

lock: ## Resolves the dependencies again into requirements/*.lock; ARGS=--upgrade takes newer versions
	@PYTHON="$(PYTHON)" .ci/lock $(ARGS)

bench: setup ## Runs one benchmark scenario: SCENARIO=reserve ARGS="--json FILE"
	@$(BIN)/holdfast bench $(or $(SCENARIO),reserve) $(ARGS)

sim: setup ## Simulates seeds: SEEDS=200 FIRST_SEED=1; a failing one is told as a short history
	@$(BIN)/python -m tests.simulation --seeds $(or $(SEEDS),200) --first-seed $(or $(FIRST_SEED),1) $(ARGS)
