# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The first target that needs something sets it up, only inside this directory (.venv*, .cache).

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# The interpreter for the environments, if not the best one found: make PYTHON=/path/to/python3 test
PYTHON ?=
export PYTHON

# Additional options for pytest, ansible-test, the benchmark: make test-unit ARGS='-k retries -x'
ARGS ?=
# The number of processes that run tests in parallel
JOBS ?= $(shell nproc 2>/dev/null || echo 2)
# The ansible-core versions of test-matrix
CORES ?= 2.16 2.17 2.18 2.19 2.20 2.21
# The tests that it runs: those that depend on ansible-core. For all tests: make test-matrix MATRIX=tests
MATRIX ?= -m core tests

COLLECTIONS := $(CURDIR)/.cache/collections
TREE := ansible_collections/polarismesh/maintenance
# Ansible refuses to start in a locale that is not UTF-8.
ifneq ($(filter C POSIX,$(LC_ALL)),)
export LC_ALL := C.UTF-8
endif

PYTEST := .venv/bin/python -m pytest
# Otherwise each process compiles all tests anew, and Hypothesis, whose assertions pytest rewrites.
unexport PYTHONDONTWRITEBYTECODE
IN_VENV = PATH="$(CURDIR)/.venv/bin:$$PATH" ANSIBLE_COLLECTIONS_PATH="$(COLLECTIONS)" ANSIBLE_HOME="$(CURDIR)/.cache/ansible"
NOX := tools/nox --no-error-on-missing-interpreters -s

##@ Start here

.PHONY: help
help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} \
	    /^##@/ {printf "\n%s\n", substr($$0, 5)} \
	    /^[a-z-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' Makefile

.PHONY: demo
demo: venv ## Watch the collection work on a simulated fleet of five servers
	@$(IN_VENV) .venv/bin/python -m tests.demo

.PHONY: test test-all
test: venv ## Run the tests: unit, contract, integration
	@$(PYTEST) -n $(JOBS) -m "not slow" tests $(ARGS)

test-all: venv ## Run all tests, including the slow ones: the same guarantees for more cases
	@$(PYTEST) -n $(JOBS) tests $(ARGS)

##@ Tests

.PHONY: test-unit test-contract test-integration
test-unit: venv ## Plain functions and values, the simulator's own tests
	@$(PYTEST) -n $(JOBS) tests/unit $(ARGS)

test-contract: venv ## What the client relies on, against the simulator (and the release that POLARIS_SERVER_BIN names)
	@$(PYTEST) -n $(JOBS) tests/contract $(ARGS)

test-integration: venv ## Real ansible-playbook processes against the simulator
	@$(PYTEST) -n $(JOBS) tests/integration $(ARGS)

.PHONY: test-window
test-window: venv ## Random faults and signals at every moment of a debug window: CASES=200
	@POLARIS_WINDOW_CASES=$(or $(CASES),200) $(PYTEST) --hypothesis-show-statistics \
	    tests/integration/test_debug_window_property.py $(ARGS)

.PHONY: test-eda
test-eda: ## The rulebooks with a real ansible-rulebook, if the machine has Java 17 or newer
	@if tools/find-java >/dev/null 2>&1; then \
	    $(NOX) eda -- $(ARGS); \
	else \
	    echo "test-eda: skipped, there is no Java 17 or newer"; \
	fi

.PHONY: test-real
test-real: venv ## The contract tests against a real server: POLARIS_URL=... POLARIS_TOKEN=..., or POLARIS_SERVER_BIN=...
	@if [ -z "$${POLARIS_URL:-}$${POLARIS_SERVER_BIN:-}" ]; then \
	    echo "name a server, POLARIS_URL=http://10.0.0.1:8090 POLARIS_TOKEN=..., or a release, POLARIS_SERVER_BIN=/path/to/polaris-server" >&2; \
	    exit 2; \
	fi
	@$(PYTEST) --real tests/contract $(ARGS)

.PHONY: test-matrix
test-matrix: ## The tests that depend on ansible-core, with each supported version, one environment each
	@failed=; for core in $(CORES); do \
	    $(NOX) core-$$core -- -q -n $(JOBS) $(MATRIX) $(ARGS) || failed+=" $$core"; \
	done; \
	if [ -n "$$failed" ]; then echo "tests failed with ansible-core$$failed" >&2; exit 1; fi

.PHONY: fault-page
fault-page: venv ## Write docs/docsite/rst/guide_faults.rst: what each module does when something fails
	@PYTHONPATH="$(COLLECTIONS)" .venv/bin/python -m tests.faults

.PHONY: benchmark scale
benchmark: venv ## Compare the module, the in-process action and ansible.builtin.uri, and a fleet with one debug task
	@$(IN_VENV) .venv/bin/python -m tests.benchmark $(ARGS)
	@$(IN_VENV) .venv/bin/python -m tests.benchmark.scale

scale: venv ## Measure a table of scale: up to 1,000 nodes and 10,000 instances; a quarter of an hour
	@$(IN_VENV) .venv/bin/python -m tests.benchmark.scale --table $(ARGS)

.PHONY: random
random: venv ## SEQUENCES=2000 random sequences of operations with random faults: half an hour
	@POLARIS_TEST_SEQUENCES=$(or $(SEQUENCES),2000) $(PYTEST) --timeout 0 tests/unit/test_random_operations.py $(ARGS)

.PHONY: mutants
mutants: venv ## Break the modules in some fifty small ways, and see that the random operations notice each; some minutes
	@$(IN_VENV) PYTHONPATH="$(COLLECTIONS)" .venv/bin/python -m tests.mutants $(ARGS)

.PHONY: soak
soak: venv ## A large, partly faulty fleet for MINUTES=20: every summary is correct, and the controller does not grow
	@$(IN_VENV) .venv/bin/python -m tests.soak $(ARGS)

##@ Quality gates: sessions of nox, see `tools/nox --list`

.PHONY: gates
# The one that takes longest comes first. The workflows run sanity with all supported versions of ansible-core.
GATES := sanity-2.21 build-import-check package typing docs-check ansible-lint lint changelog style \
    license-check extra-checks
gates: ## All quality gates, JOBS at a time, even if one fails
	@tools/nox --version >/dev/null 2>&1
	@$(MAKE) -j $(JOBS) --keep-going --output-sync=target $(addprefix gate-,$(GATES))
gate-%:
	@CI=true $(NOX) $*

.PHONY: format type
format: ## Format all Python, and fix what ruff can fix
	@$(NOX) style
type: ## Types of all Python (mypy --strict)
	@$(NOX) typing

.PHONY: build sanity
build: ## Build the collection into dist/, check the archive, install it, list its plugins
	@$(NOX) package
sanity: ## ansible-test sanity without a container engine, for all target Pythons found here
	@$(NOX) sanity-2.21 -- $(ARGS)

.PHONY: release
release: build ## Write checksums, bill of materials and notes of a release, next to its archive in dist/: VERSION=1.0.0
	@$(NOX) release -- $(VERSION)

.PHONY: docs docs-pages docs-pictures
docs-pictures: venv ## Record the demo as docs/images/demo.svg, and a picture of its report
	@$(IN_VENV) .venv/bin/python -m tests.demo.record

docs-pages: venv ## Regenerate the pages of the runbooks, with examples from a simulated fleet
	@PYTHONPATH="$(COLLECTIONS)" $(IN_VENV) .venv/bin/python -m tests.demo.pages $(ARGS)

docs: ## Build the documentation site into dist/docs
	@$(NOX) docs

##@ The rest

.PHONY: venv
venv: ## Set up .venv, for demo and test, and make the clone visible to Ansible as a collection
	@tools/venv .venv common core
	@.venv/bin/python tools/collection_tree.py link

.PHONY: lock
lock: ## Update the locked versions and hashes of all tools, from tools/requirements/*.in
	@tools/nox -s lock -- $(ARGS)

.PHONY: ci
ci: ## What .ci/run runs: test-all, test-eda, gates, test-matrix
	@.ci/run

.PHONY: clean distclean
clean: ## Remove everything that was built and cached
	@rm -rf dist
	@[ ! -d .cache ] || find .cache -mindepth 1 -maxdepth 1 ! -name pip -exec rm -rf {} +
	@find . -name __pycache__ -not -path './.venv*' -prune -exec rm -rf {} +
distclean: clean ## Remove the environments, too
	@rm -rf .venv* .nox .cache
