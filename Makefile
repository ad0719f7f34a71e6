# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Everything is set up by the first target that needs it, inside this folder (.venv*, .cache), and nowhere else.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# The interpreter for the environments, instead of the best one found: make PYTHON=/path/to/python3 test
PYTHON ?=
export PYTHON

# More options for pytest, ansible-test, the benchmark: make test-unit ARGS='-k retries -x'
ARGS ?=
# Processes that run tests side by side
JOBS ?= $(shell nproc 2>/dev/null || echo 2)
# The ansible-core versions of test-matrix
CORES ?= 2.16 2.17 2.18 2.19 2.20 2.21
# What it runs: all that touches ansible-core, once each. Everything: make test-matrix MATRIX=tests
MATRIX ?= -m core tests

COLLECTIONS := $(CURDIR)/.cache/collections
TREE := ansible_collections/polarismesh/maintenance
# Ansible refuses to start in a locale that is not UTF-8.
ifneq ($(filter C POSIX,$(LC_ALL)),)
export LC_ALL := C.UTF-8
endif

PYTEST := .venv/bin/python -m pytest
IN_VENV = PATH="$(CURDIR)/.venv/bin:$$PATH" ANSIBLE_COLLECTIONS_PATH="$(COLLECTIONS)" ANSIBLE_HOME="$(CURDIR)/.cache/ansible"
IN_GATES = PATH="$(CURDIR)/.venv-gates/bin:$$PATH" ANSIBLE_HOME="$(CURDIR)/.cache/ansible" PYTHONWARNINGS=ignore
IN_COPY = $(IN_GATES) .venv-gates/bin/python tools/collection_tree.py copy

##@ Start here

.PHONY: help
help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} \
	    /^##@/ {printf "\n%s\n", substr($$0, 5)} \
	    /^[a-z-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' Makefile

.PHONY: demo
demo: venv ## Watch the collection at work on a simulated fleet of five servers
	@$(IN_VENV) .venv/bin/python -m tests.demo

.PHONY: test test-all
test: venv ## Run the tests: unit, contract, integration
	@$(PYTEST) -n $(JOBS) -m "not slow" tests $(ARGS)

test-all: venv ## ... and the slow ones: the same guarantees for more cases
	@$(PYTEST) -n $(JOBS) tests $(ARGS)

##@ Tests

.PHONY: test-unit test-contract test-integration
test-unit: venv ## Plain functions and values, the simulator's own tests
	@$(PYTEST) -n $(JOBS) tests/unit $(ARGS)

test-contract: venv ## What the client relies on, against the simulator (and the release that POLARIS_SERVER_BIN names)
	@$(PYTEST) -n $(JOBS) tests/contract $(ARGS)

test-integration: venv ## Real ansible-playbook processes against the simulator
	@$(PYTEST) -n $(JOBS) tests/integration $(ARGS)

.PHONY: test-eda
test-eda: ## The rulebooks, by a real ansible-rulebook, where the machine has Java 17 or newer
	@if tools/find-java >/dev/null 2>&1; then \
	    tools/venv .venv-eda tools/requirements/eda.txt && .venv-eda/bin/python -m pytest tests/eda $(ARGS); \
	else \
	    echo "test-eda: left out, there is no Java 17 or newer"; \
	fi

.PHONY: test-real
test-real: venv ## The contract tests against a real server: POLARIS_URL=... POLARIS_TOKEN=..., or POLARIS_SERVER_BIN=...
	@if [ -z "$${POLARIS_URL:-}$${POLARIS_SERVER_BIN:-}" ]; then \
	    echo "name a server, POLARIS_URL=http://10.0.0.1:8090 POLARIS_TOKEN=..., or a release, POLARIS_SERVER_BIN=/path/to/polaris-server" >&2; \
	    exit 2; \
	fi
	@$(PYTEST) --real tests/contract $(ARGS)

.PHONY: test-matrix
test-matrix: ## What touches ansible-core, under each supported version of it, one environment each
	@failed=; for core in $(CORES); do \
	    tools/with-core $$core -m pytest -q -n $(JOBS) $(MATRIX) $(ARGS) || failed+=" $$core"; \
	done; \
	if [ -n "$$failed" ]; then echo "tests failed under ansible-core$$failed" >&2; exit 1; fi

.PHONY: benchmark
benchmark: venv ## Compare the module, the in-process action and ansible.builtin.uri: time, CPU, memory
	@$(IN_VENV) .venv/bin/python -m tests.benchmark $(ARGS)

##@ Quality gates

.PHONY: gates all-gates
gates: ## All of the gates below; one that fails does not hide the next
	@$(MAKE) --keep-going all-gates
all-gates: format-check type licences changelog-lint build docs-lint lint galaxy-importer sanity sanity-oldest
	@echo "all gates passed"

.PHONY: format format-check
format: venv-gates ## Format all Python, and mend what ruff can mend
	@.venv-gates/bin/ruff check --fix --quiet . || true
	@.venv-gates/bin/ruff format .

format-check: venv-gates ## Format and style of all Python (ruff)
	@status=0; .venv-gates/bin/ruff format --check . || status=1; .venv-gates/bin/ruff check . || status=1; exit $$status

.PHONY: type
type: venv-gates ## Types of all Python (mypy --strict)
	@.venv-gates/bin/python tools/collection_tree.py link
	@.venv-gates/bin/mypy .cache/collections/$(TREE)/plugins tests tools

.PHONY: licences
licences: venv-gates ## Every file says its licence (REUSE)
	@.venv-gates/bin/reuse lint --lines && echo "licences: fine"

.PHONY: changelog-lint
changelog-lint: venv-gates ## Changelog fragments (antsibull-changelog)
	@.venv-gates/bin/antsibull-changelog lint && echo "changelog fragments: fine"

.PHONY: build
build: venv-gates ## Build the collection, look into it, install it, list its plugins
	@$(IN_GATES) .venv-gates/bin/python tools/build.py

.PHONY: docs-lint
docs-lint: venv-gates ## Documentation of the collection and its plugins (antsibull-docs)
	@$(IN_COPY) docs antsibull-docs lint-collection-docs --plugin-docs --validate-collection-refs=all .
	@echo "documentation: fine"

.PHONY: lint
lint: venv-gates ## Playbooks, roles, metadata (ansible-lint, production profile)
	@$(IN_COPY) lint ansible-lint --profile production --offline --strict --nocolor

.PHONY: galaxy-importer
galaxy-importer: build ## What Galaxy checks when the collection is uploaded
	@$(IN_GATES) .venv-gates/bin/python tools/galaxy_import.py

.PHONY: sanity sanity-oldest
sanity: venv-gates ## ansible-test sanity, for this Python and all target Pythons found here
	@.venv-gates/bin/python tools/sanity.py $(ARGS)

# ansible-core 2.19 is the last that knows Python 3.8 as a target.
sanity-oldest: ## Compile and import what runs on targets with the oldest Python promised, 3.8, where the machine has it
	@if tools/find-python 3.8 >/dev/null 2>&1; then \
	    tools/with-core 2.19 tools/sanity.py --test compile --test import --python 3.8; \
	else \
	    echo "sanity-oldest: left out, there is no Python 3.8"; \
	fi

##@ The rest

.PHONY: setup venv venv-gates
setup: venv venv-gates ## Set up both environments now
venv: ## Set up the small environment, for demo and test, and show the clone to Ansible as a collection
	@tools/venv .venv tools/requirements/test.txt
	@.venv/bin/python tools/collection_tree.py link
venv-gates:
	@tools/venv .venv-gates tools/requirements/gates.txt

.PHONY: ci
ci: ## What .ci/run runs: test-all, test-eda, gates, test-matrix
	@.ci/run

.PHONY: clean distclean
clean: ## Remove what was built and cached
	@rm -rf dist
	@[ ! -d .cache ] || find .cache -mindepth 1 -maxdepth 1 ! -name pip -exec rm -rf {} +
	@find . -name __pycache__ -not -path './.venv*' -prune -exec rm -rf {} +
distclean: clean ## ... and the environments
	@rm -rf .venv* .cache
