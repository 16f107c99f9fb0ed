# Two commands for a newcomer: `make demo` and `make test`. Both call `setup` themselves; after the first time neither needs a network.

PYTHON ?= python3
ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
# A stamp stands for what it is named after, and holds the interpreter that it was made with.
RUN_STAMP := $(VENV)/.stamp-run
DEV_STAMP := $(VENV)/.stamp-dev
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev prerequisites prerequisites-dev jars demo test lint bench locks clean
MAKEFLAGS += --no-print-directory

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' Makefile | expand -t 18

setup: prerequisites ## .venv and the jars of Apache Kafka (the other targets call it)
	@$(MAKE) -s -j2 $(RUN_STAMP) jars

setup-dev: prerequisites-dev
	@$(MAKE) -s -j2 $(DEV_STAMP) jars

demo: setup ## run the simulation and show who learnt what: make demo ARGS="--seed 7 --records 500"
	@$(BIN)/entente demo $(ARGS)

# By files, two at a time: a test with a cluster waits about half of its time.
test: lint ## all checks and all tests
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(ARGS)

lint: setup-dev ## style, types and the import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: setup-dev ## measure, as ratios against the usual ways
	@$(BIN)/python -m tests.bench $(ARGS)

clean: ## remove everything that make and runs have made
	rm -rf $(VENV) .cache .entente build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +

prerequisites:
	@deploy/prerequisites.sh $(PYTHON) $(if $(wildcard .cache/kafka/*/kafka_*.jar),nojars,jars)

prerequisites-dev:
	@deploy/prerequisites.sh $(PYTHON) $(if $(wildcard .cache/kafka/*/kafka_*.jar),nojars,jars) tests

jars:
	@$(PYTHON) -m deploy.kafka.jars

# In the lock every file is named by its hash, wheels only: nothing is built but the link to this tree, and that without a network.
$(RUN_STAMP): deploy/locks/run.txt pyproject.toml
	@begin=$$(date +%s); set -e; \
	[ -x $(BIN)/python ] && $(BIN)/python -c '' 2>/dev/null || $(PYTHON) -m venv --clear $(VENV); \
	$(PIP) install --require-hashes --only-binary :all: --no-deps -r deploy/locks/run.txt; \
	$(PIP) install --no-index --no-deps --no-build-isolation --config-settings editable_mode=compat -e .; \
	touch $@; echo "setup: Python packages ($$(($$(date +%s) - begin)) s)"

$(DEV_STAMP): deploy/locks/dev.txt $(RUN_STAMP)
	@begin=$$(date +%s); set -e; \
	$(PIP) install --require-hashes --only-binary :all: --no-deps -r deploy/locks/dev.txt; \
	touch $@; echo "setup: packages for tests ($$(($$(date +%s) - begin)) s)"

locks: ## for maintainers: renew the locks with the newest versions (needs a network)
	@rm -rf .cache/locks && $(PYTHON) -m venv .cache/locks && .cache/locks/bin/pip --quiet install uv
	@cd deploy/locks && for group in run dev; do \
		../../.cache/locks/bin/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
			--no-annotate --no-header --no-emit-index-url --no-emit-find-links -o $$group.txt $$group.in; done
	@rm -rf .cache/locks
	@! grep -n '://' deploy/locks/*.txt
