# HeraldLB. Two commands on a fresh machine: `make demo` runs the main job, `make test` passes all tests.
# Tests and demo need root and Debian: they start a real Kubernetes in network namespaces of their own.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
LAB := $(BIN)/python -m tests.lab
PYTEST := $(BIN)/pytest
CODE := lb_controller speaker tests

.PHONY: help setup lock docs html crds format check fast test e2e demo lab-up lab-down bench simulate fuzz soak image clean

help: ## this list
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## Python environment in .venv, from the hash-checked lock file
$(STAMP): requirements-dev.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "HeraldLB needs Python 3.11 or newer: apt-get install python3 python3-venv"; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { echo "Python lacks venv: apt-get install python3-venv"; exit 1; }
	rm -rf $(VENV)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

PIP_COMPILE := $(BIN)/pip-compile --quiet --generate-hashes --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --strip-extras --allow-unsafe
lock: setup ## pin dependencies anew: requirements.lock (image) and requirements-dev.lock
	$(PIP_COMPILE) --extra announcer -o requirements.lock pyproject.toml
	$(PIP_COMPILE) --extra announcer --extra dev -c requirements.lock -o requirements-dev.lock pyproject.toml
	$(PIP_COMPILE) -o docs/requirements.lock docs/requirements.in
	$(PIP_COMPILE) -o tests/fuzz/requirements.lock tests/fuzz/requirements.in

docs: setup ## write what the code says into docs/reference
	$(BIN)/python -m tests.support.reference

DOCS := .venv-docs
SITE := build/html
html: $(DOCS)/.installed ## the documentation as HTML in build/html; a bad link is an error
	$(DOCS)/bin/sphinx-build -W --keep-going -n -q -b html docs $(SITE)
$(DOCS)/.installed: docs/requirements.lock
	rm -rf $(DOCS)
	$(PYTHON) -m venv $(DOCS)
	$(DOCS)/bin/pip install --quiet --disable-pip-version-check --require-hashes -r docs/requirements.lock
	@touch $@

crds: ## copy crds/ into the chart
	mkdir -p charts/heraldlb/files/crds
	cp crds/*.yaml charts/heraldlb/files/crds/

format: setup ## format the code
	$(BIN)/ruff format $(CODE)
	$(BIN)/ruff check --fix $(CODE)

check: setup ## format, lint, types, import contracts, fast tests, chart
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/ruff check $(CODE)
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(LAB) build helm
	$(PYTEST) -q -m 'not e2e' tests

fast: setup ## only the fast tests
	$(PYTEST) -q -m 'not e2e' --ignore=tests/unit/chart tests

test: check simulate e2e ## everything that CI runs: check, the simulation, the tests on a real Kubernetes (root)

SEEDS ?= 2000
FIRST ?= 1
simulate: setup ## layer 2 in simulation: SEEDS random worlds with random faults, beginning with seed FIRST
	$(BIN)/python -m tests.property.simulation --seeds $(SEEDS) --first $(FIRST)

FUZZ := .venv-fuzz
TARGET ?=
SECONDS ?= 60
fuzz: $(FUZZ)/.installed ## coverage-guided fuzzing: TARGET (all without one) for SECONDS each
	$(FUZZ)/bin/python -m tests.fuzz $(TARGET) --seconds $(SECONDS)
$(FUZZ)/.installed: requirements.lock tests/fuzz/requirements.lock
	rm -rf $(FUZZ)
	$(PYTHON) -m venv $(FUZZ)
	$(FUZZ)/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock -r tests/fuzz/requirements.lock
	@touch $@

soak: setup ## what takes hours: 100,000 worlds of layer 2, 50 kills of the controller during churn (root)
	$(BIN)/python -m tests.property.simulation --seeds 100000 --first $(FIRST)
	HERALD_SOAK_KILLS=50 $(PYTEST) -m e2e tests/e2e/test_controller_faults.py

e2e: setup ## tests on a real Kubernetes in network namespaces (root)
	$(LAB) build all
	$(LAB) build image
	$(BIN)/python -m tests.e2e

demo: setup ## the main job on a real Kubernetes, shown step by step (root; KEEP=1 leaves it running)
	$(BIN)/python -m tests.lab.demo

lab-up: setup ## start the lab: a Kubernetes of three nodes, a router, a client (root)
	$(LAB) up --router

lab-down: setup ## remove the lab and everything it made
	$(LAB) down

bench: setup ## benchmarks: figures and ratios, printed
	$(BIN)/python -m tests.bench

image: setup ## build the container image without Docker; prints its tag
	$(LAB) build image

clean: ## remove what make setup and the tools made in the checkout
	rm -rf $(VENV) $(DOCS) $(FUZZ) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
