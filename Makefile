# The commands of docs and CI. Settings are given as variables: make run PORT=8001
SHELL := /bin/sh
PYTHON ?= python3
PY := .venv/bin/python
BOOTSTRAP := @$(PYTHON) config/embedded/bootstrap.py
TEMPLATES = $(shell find . -path ./.venv -prune -o -path ./node_modules -prune -o -path '*/templates/*' -name '*.html' -print)
# Events for each contact of the workspace that demo-data makes.
EVENTS_PER_CONTACT ?= 20
# One more than there usually are processors: tests wait for processes and each other's locks.
TEST_PROCESSES ?= 3
# What is compiled is kept: the many processes of tests start in half the time.
PYTEST = PYTHONDONTWRITEBYTECODE= $(PY) -m pytest
PARALLEL = -n $(TEST_PROCESSES) --dist worksteal

.DEFAULT_GOAL := help
.PHONY: help run test test-walks test-long check bench demo-data clean runtime development benchmark

help: ## these lines
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' Makefile

run: runtime ## the product at http://127.0.0.1:8000/, with demo data; Ctrl-C stops all of it
	@exec $(PY) -m config.embedded.supervisor --stop-with-parent

test: development ## every rule, on a real PostgreSQL and a real worker, within five minutes
	@$(PYTEST) $(PARALLEL) -m "not walk and not long" $(ARGS)

test-walks: development ## the whole product page by page, process by process
	@CHANCE=often $(PYTEST) $(PARALLEL) -m "(walk or chance) and not long" $(ARGS)

test-long: development ## streams, months and kills by the thousand: hours
	@$(PYTEST) -m long $(ARGS)

check: development ## formatting, lint, types, floors, templates, settings, missing migrations, islands
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	DEBUG=1 $(PY) -m mypy .
	.venv/bin/lint-imports
	.venv/bin/djade --check --target-version 5.2 $(TEMPLATES)
	$(PY) manage.py check --fail-level WARNING
	$(PY) manage.py makemigrations --check --dry-run
	sh config/islands.sh check

bench: benchmark ## our speed beside DuckDB's and chdb's, in the same run
	@exec $(PY) -m tests.benchmarks $(ARGS)

demo-data: runtime ## a synthetic workspace: make demo-data SIZE=100000 (contacts; ARGS=--add to add)
	@test -n "$(SIZE)" || { echo "make demo-data needs the number of contacts. For example: make demo-data SIZE=100000" >&2; exit 2; }
	@$(PY) manage.py migrate --noinput -v 0
	@exec $(PY) manage.py generate_data --contacts $(SIZE) --events $$(($(SIZE) * $(EVENTS_PER_CONTACT))) $(ARGS)

clean: ## destroys .venv and $REGULARS_VAR with all its data; asks first
	@PYTHONPATH=config exec $(PYTHON) -m embedded.cleaning $(YES)

runtime:
	$(BOOTSTRAP) requirements.lock

development:
	$(BOOTSTRAP) requirements-dev.lock

benchmark:
	$(BOOTSTRAP) requirements-bench.lock
