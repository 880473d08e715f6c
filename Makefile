# Needs make, git and Python 3.11 or newer. Every target sets up what it needs, below .venv, node_modules and
# .cache, and a second run starts at once.

SHELL := /bin/bash

# The newest Python that the locks are made for; PYTHON=... names another.
PYTHON ?= $(shell for python in python3.14 python3.13 python3.12 python3.11 python3; do \
	$$python -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; \
	done)

VENV := .venv
BIN := $(VENV)/bin
PYTHON_READY := $(VENV)/.python-ready
NODE_READY := $(VENV)/.node-ready
CDK_READY := node_modules/.cdk-ready
TYPED := app.py stacks lambdas local_aws layers/hullwatch/python/hullwatch benchmarks

# Tools of the virtual environment come first, Node among them where it was installed there.
export PATH := $(CURDIR)/$(BIN):$(PATH)

.DEFAULT_GOAL := help
.PHONY: help demo test conformance lint types synth docs lock clean
.DELETE_ON_ERROR:

help: ## Show this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 14

demo: $(PYTHON_READY) $(NODE_READY) ## Run the whole pipeline on this machine, and show what it found
	@$(BIN)/hullwatch demo $(ARGS)

# Processes that share the tests, a file at a time.
WORKERS ?= 2

test: $(PYTHON_READY) $(NODE_READY) ## Run the tests
	$(BIN)/pytest --ignore tests/conformance --numprocesses $(WORKERS) --dist loadfile $(ARGS)

conformance: $(PYTHON_READY) ## Compare with the recorded truth in HULLWATCH_SHARED and the images in HULLWATCH_IMAGES
	$(BIN)/pytest tests/conformance $(ARGS)

lint: $(PYTHON_READY) ## Check style, formatting and which room imports which
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(PYTHON_READY) ## Check types
	$(BIN)/mypy $(TYPED)

synth: $(PYTHON_READY) $(NODE_READY) $(CDK_READY) ## Write the CloudFormation templates to cdk.out
	node_modules/.bin/cdk synth --quiet $(ARGS)

docs: $(PYTHON_READY) $(NODE_READY) ## Write the pages and schemas that are generated
	$(BIN)/python -m stacks.settings > config/schema.json
	CDK_OUTDIR=.cache/docs $(BIN)/python app.py
	$(BIN)/python -m stacks.iam .cache/docs > docs/iam.md
	$(BIN)/python -m hullwatch.inventory.coverage > docs/coverage.md
	$(BIN)/hullwatch controls --format markdown > docs/controls.md
	$(BIN)/python -m hullwatch.kubernetes.access > config/kubernetes/reader.yaml

LOCK := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--no-emit-find-links --no-annotate --no-header

lock: $(PYTHON_READY) ## Lock the packages again, as their .in files ask; ARGS=--upgrade takes newer ones
	$(LOCK) $(ARGS) requirements/dev.in --output-file requirements/dev.txt
	$(LOCK) $(ARGS) --constraint requirements/dev.txt requirements/deploy.in --output-file requirements/deploy.txt
	$(LOCK) $(ARGS) --constraint requirements/dev.txt layers/dependencies/requirements.in \
		--output-file layers/dependencies/requirements.txt
	$(LOCK) $(ARGS) requirements/uv.in --output-file requirements/uv.txt
	$(LOCK) $(ARGS) requirements/node.in --output-file requirements/node.txt

clean: ## Remove everything that the other targets made
	rm -rf $(VENV) node_modules .cache cdk.out .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis

# pip installs uv, uv installs the rest and removes what is not in the lock.
$(PYTHON_READY): requirements/uv.txt requirements/dev.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "error: no Python 3.11 or newer found; name one with PYTHON=..." >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes requirements/dev.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

# The CDK runs on Node.js 22 or newer.
$(NODE_READY): requirements/node.txt $(PYTHON_READY)
	@if node -e 'process.exit(parseInt(process.versions.node) < 22)' 2>/dev/null; then :; else \
		echo "No Node.js 22 or newer on the path: installing it into $(VENV)"; \
		$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --require-hashes -r requirements/node.txt; \
	fi
	@touch $@

$(CDK_READY): package.json package-lock.json $(NODE_READY)
	npm ci --silent
	@touch $@
