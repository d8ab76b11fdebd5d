PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
ARGS ?=
# Tests mostly wait for processes and for a database: a few at once use what is there.
JOBS ?= 3

.DEFAULT_GOAL := help
.PHONY: help run serve test chaos hostile agents check fmt lint imports types bench lock conformance screens crashpoints crashmutants faults interleavings soak soakmutants failovers mutants mutmut

help: ## Show this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, found %s" % sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	@$(PYTHON) -m venv $(VENV) || { echo "python3 -m venv failed: on Debian and Ubuntu install python3-venv"; exit 1; }

$(VENV)/.run: requirements.lock pyproject.toml | $(BIN)/python
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps -e .
	@touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.run
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

run: $(VENV)/.run ## Review this repository with the static agent, every reviewer, and print the report
	@$(BIN)/flowrunner run code-review repo=. band=large --report $(ARGS)

serve: $(VENV)/.run ## Keep the service up on http://127.0.0.1:8700
	@$(BIN)/flowrunner serve $(ARGS)

test: $(VENV)/.dev ## Run all tests against a real PostgreSQL
	@$(BIN)/python -m pytest -q -n $(JOBS) --dist loadfile --ignore=tests/chaos --ignore=tests/upgrade/storms $(ARGS)

chaos: $(VENV)/.dev ## Kill real servers, workers and databases in the middle of real runs (minutes)
	@$(BIN)/python -m pytest -q tests/chaos tests/upgrade/storms $(ARGS)

hostile: $(VENV)/.dev ## Set hostile projects on every installed agent behind every gate (half an hour)
	@FLOWRUNNER_HOSTILE=all FLOWRUNNER_AGENTS_DIR=$(AGENTS) $(BIN)/python -m pytest -q tests/hostile_agents $(ARGS)

# The tests' own modules are programs here: they play, measure and report.
PLAY := PYTHONPATH=src:tests $(BIN)/python -m

crashpoints: $(VENV)/.dev ## Kill a replica at every statement it sends, 10,000 plays (ARGS="--shape loop --play 17:cut" for one)
	@$(PLAY) crashpoints $(ARGS)

crashmutants: $(VENV)/.dev ## Break the product on purpose and show which crash points notice
	@$(PLAY) crashpoints.mutants $(ARGS)

interleavings: $(VENV)/.dev ## Step three sessions of a real PostgreSQL through orders of their statements
	@$(PLAY) interleavings $(ARGS)

faults: $(VENV)/.dev ## Break the wire to PostgreSQL at a byte, 300 cases (ARGS="--seed 17" for one again)
	@$(PLAY) faults.wire $(ARGS)

check: $(VENV)/.dev fmt lint imports types test ## Everything that must be green before a commit

soak: $(VENV)/.dev ## Play 20,000 schedules, or ARGS="--seconds 3600", or one again: ARGS="--seed 780"
	@PYTHONPATH=tests $(BIN)/python -m simulation.soak $(ARGS)

soakmutants: $(VENV)/.dev ## Break the engine in one place at a time; schedules must notice
	@PYTHONPATH=tests $(BIN)/python -m simulation.mutants $(ARGS)

failovers: $(VENV)/.dev ## Lose a primary a hundred times, by death and by a cut cable (ARGS="--count 4 --seed 7")
	@$(PLAY) faults.clusters $(ARGS)

mutants: $(VENV)/.dev ## Make the known mistakes one at a time; a named test must notice each (ARGS="--only lease")
	@$(PLAY) mutants $(ARGS)

mutmut: $(VENV)/.dev ## Change the core everywhere, a little at a time, and list what no test notices (hours; goes on where it was)
	@$(PLAY) mutants.everywhere $(ARGS)

# Hundreds of megabytes from npm: only when asked for, and never into this folder.
AGENTS ?= $(or $(FLOWRUNNER_AGENTS_DIR),$(HOME)/.cache/flowrunner/agents)

agents: $(VENV)/.run ## Install coding agents in the pinned versions, for tests and for use (ARGS="qwen codex" for some)
	@$(BIN)/python -m flowrunner.dispatch.adapters $(AGENTS) $(ARGS)

fmt: $(VENV)/.dev ## Fail if a file is not formatted
	@$(BIN)/ruff format --check -q .

lint: $(VENV)/.dev ## ruff, all rules
	@$(BIN)/ruff check -q .

imports: $(VENV)/.dev ## The floors
	@$(BIN)/lint-imports

types: $(VENV)/.dev ## basedpyright, strict
	@$(BIN)/basedpyright --level error

conformance: $(VENV)/.dev ## Rewrite docs/conformance.md and the reference pages
	@$(BIN)/python -m tests.conformance.ids --write
	@$(BIN)/python -m tests.conformance.reference --write

screens: $(VENV)/.dev ## Capture terminals over real runs into docs/screens
	@UPDATE_SCREENS=1 $(BIN)/python -m pytest -q tests/integration/doors/test_screens.py $(ARGS)

bench: $(VENV)/.run ## Benchmarks, as ratios to PostgreSQL's own limit
	@$(BIN)/python benchmarks/run.py $(ARGS)

lock: ## Rewrite the lock files (needs uv)
	uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate -q -o requirements.lock
	uv pip compile pyproject.toml --extra api --group dev --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate -q -c requirements.lock -o requirements-dev.lock
