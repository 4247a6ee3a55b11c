# Needs Python 3.11 or newer with pip, and nothing else. `make demo` and `make test` are the two to know.
PYTHON ?= $(or $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
  $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done),python3)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

# `make mutate MUTANTS=50 SEED=2`: how many, and another sample.
MUTANTS ?= 200
SEED ?= 1

.PHONY: demo test check serve docs bench bench-fetch load mutations mutate clean
.DEFAULT_GOAL := demo

# The stamp makes the install happen once, and again only when the dependencies change.
# Some Pythons come without ensurepip: then the pip that is there installs another into the environment.
$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "cds-service needs Python 3.11 or newer; try: make PYTHON=python3.12" >&2; exit 2; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || { rm -rf $(VENV); $(PYTHON) -m venv $(VENV) >/dev/null 2>&1; } || { \
	  rm -rf $(VENV); $(PYTHON) -m venv --without-pip $(VENV) && $(PYTHON) -m pip --quiet --python $(BIN)/python install pip; } || { rm -rf $(VENV); \
	  echo "$(PYTHON) can make no virtual environment: ensurepip and pip are both missing. On Debian or Ubuntu: apt-get install python3-venv" >&2; exit 2; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev,demo]'
	@touch $@

demo: $(STAMP) ## a FHIR server, the service and all synthetic patients, in under a minute
	$(BIN)/cds-service demo

test: $(STAMP) ## everything pytest has, with branch coverage
	$(BIN)/python -m pytest --cov --cov-report=term:skip-covered

check: $(STAMP) ## lint, types, and our own criteria, mappings and fixtures
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/cds-service check

serve: $(STAMP) ## the service on 127.0.0.1:8080
	$(BIN)/cds-service serve

docs: $(STAMP) ## rewrite docs/trials and docs/ehr from the criteria and the templates
	$(BIN)/cds-service docs

bench: $(STAMP) ## one hook call against a bare endpoint: p50, p99, ratio
	$(BIN)/python bench/hook.py

bench-fetch: $(STAMP) ## six searches at a FHIR server against one: the ratio
	$(BIN)/python bench/fetch.py

load: $(STAMP) ## a minute of load on two workers: throughput, latencies, errors, memory, and a bare endpoint in turn
	$(BIN)/python bench/load.py

mutations: $(STAMP) ## ten thousand mutated requests and records, new ones each time; about ten minutes
	MUTATIONS=10000 $(BIN)/python -m pytest tests/properties/test_mutations.py

# The tool is an extra of its own, and never changes what is installed for the rest.
$(VENV)/.mutate: $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[mutate]'
	@touch $@

mutate: $(VENV)/.mutate ## faults put into the clinical core, on copies: how many do the tests notice? About ten minutes
	$(BIN)/python tests/mutants.py --mutants $(MUTANTS) --seed $(SEED)

clean: ## remove the virtual environment
	rm -rf $(VENV)
