# Every target sets up what it needs in .venv, from the locks, with nothing but Python and make.
SHELL := /bin/sh
BIN := .venv/bin
PYTHON ?= $(shell for p in python3 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))' 2>/dev/null \
	&& echo $$p && break; done)
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps
SOURCES := bentos flows tasks tests benchmarks tools

.DEFAULT_GOAL := help
.PHONY: help demo serve up down test torture fuzz cover mutants check prove tiny drill package \
	asuser docs deploy smoke audit vulnerable rubric bench lock compiled tune postgres dask clean

help:  ## List the targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

demo: .venv/run  ## Train, judge, approve and release a model on every flight of 2013
	$(BIN)/perennial retrain flight-delay --approve-as "$$(id -un) (make demo)"

serve: .venv/run  ## Serve the champion on http://127.0.0.1:3000, following releases
	$(BIN)/perennial serve flight-delay

up: .venv/run  ## Start Prefect's server with its UI, a worker, all deployments and the service
	@$(BIN)/perennial up

down:  ## Stop what `make up` started
	@test ! -x $(BIN)/perennial || $(BIN)/perennial down

test: .venv/dev  ## Run the tests
	$(BIN)/pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

torture: .venv/dev  ## Kill retrain and release 200 times each, on disk and S3, and more (KILLS=, SEED=)
	KILLS=$(KILLS) SEED=$(SEED) $(BIN)/pytest tests/torture -s -p no:cacheprovider
KILLS ?= 200
SEED := $(or $(SEED),$(shell date +%s))

check: .venv/dev  ## Lint, check formatting, types, what is imported from where, and examples
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/deptry .
	$(BIN)/lint-imports
	$(BIN)/pytest --doctest-modules --ignore=bentos/service.py bentos flows tasks tests/test_house.py

fuzz: .venv/dev  ## Fuzz what reads requests, manifests, ledgers and definitions (FUZZ= seconds each)
	$(INSTALL) --require-hashes -r tests/fuzz/atheris.lock
	set -e; for reader in connection request manifest ledger definition; do \
		PYTHONPATH=tests/support $(BIN)/python tests/fuzz/readers.py $$reader $(FUZZ); done
FUZZ ?= 60

cover: .venv/dev  ## Run the tests and say which lines and branches none of them reached
	rm -rf .coverage
	$(BIN)/coverage run -m pytest; ran=$$?; \
	$(BIN)/coverage combine --quiet .coverage/data.* && $(BIN)/coverage report && exit $$ran

mutants: .venv/dev  ## Change the gate, the registry and the features, one thing at a time
	PYTHONPATH=tests/support $(BIN)/python -m tools.mutants tasks/features/transform.py $(T)/features/test_transform.py $(T)/core/test_sql.py
	PYTHONPATH=tests/support $(BIN)/python -m tools.mutants tasks/registry/versions.py $(T)/registry/test_version_names.py $(T)/registry/test_versions.py
	PYTHONPATH=tests/support $(BIN)/python -m tools.mutants tasks/validation/gate.py $(T)/validation/test_gate_edges.py $(T)/validation/test_gate.py
T := tests/tasks

prove: .venv/dev  ## Serve the champion's bento elsewhere, with only its own requirements
	PYTHONPATH=tests/support $(BIN)/python -m tools.elsewhere flight-delay

tiny: .venv/run  ## Train, prove and release a small model, in a folder of its own
	$(TINY) $(BIN)/perennial retrain flight-delay --as-of 2013-04-01 --approve-as "make tiny"

drill: tiny  ## Spoil copies of the small model and its data: is each fault caught?
	$(TINY) $(BIN)/perennial drill flight-delay
TINY := env -u PERENNIAL_ROOT PERENNIAL_ENV=tiny BENTOML_HOME=.perennial-tiny/bentoml

package: .venv/dev  ## Build the wheel and the source distribution in dist/, without a network
	rm -rf dist
	$(BIN)/python -m hatchling build

asuser: package  ## Run the README as a new user: the wheel in a folder of its own, and a fresh clone
	PYTHONPATH=tests/support $(BIN)/python -m tools.asuser

docs: .venv/dev .venv-docs/done  ## Build the documentation in site/: a dead link fails it, and it needs no network
	$(BIN)/python -m tools.docs assemble
	.venv-docs/bin/zensical build --clean --strict
	$(BIN)/python -m tools.docs check

deploy: .venv/run  ## Register pool, deployments and automations with a server that is up
	$(BIN)/perennial deploy

smoke: .venv/run  ## Ask a system that is up for a retrain, and find its candidate
	PYTHONPATH=tests/support $(BIN)/python -m tools.smoke flight-delay

audit: .venv/dev  ## Check locks, licences, and that no secret is tracked; no network
	git ls-files -z | xargs -0 $(BIN)/detect-secrets-hook --no-verify --exclude-secrets '^test$$'
	$(BIN)/pytest tests/test_locks.py

vulnerable: .venv/dev  ## Ask the network which locked packages have known vulnerabilities
	$(BIN)/uv tool run pip-audit==2.10.1 --disable-pip --require-hashes -r requirements.lock

rubric: .venv/dev  ## Count the ML Test Score anew, from tests that run now
	PYTHONPATH=tests/support $(BIN)/python -m tools.rubric

bench: .venv/dev  ## Measure against peers and bare scripts, side by side in one run
	$(BIN)/python -m benchmarks

lock: .venv/dev  ## Pin every dependency anew, with hashes and without a registry's host
	$(BIN)/uv pip compile pyproject.toml --group dev --extra compiled --extra tune --extra postgres --extra dask \
		$(COMPILE) -o requirements-dev.lock
	$(BIN)/uv pip compile pyproject.toml --group build $(COMPILE) -c requirements-dev.lock -o requirements.lock
	set -e; for extra in compiled=llvmlite tune=optuna postgres=adbc-driver-postgresql dask=distributed; do \
		echo $${extra#*=} | $(BIN)/uv pip compile - $(COMPILE) -c requirements-dev.lock \
		-o requirements-$${extra%=*}.lock; done
	$(BIN)/uv pip compile --group docs $(COMPILE) -o requirements-docs.lock
COMPILE := --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
	--no-emit-index-url

compiled: .venv/run  ## Install what [serving] predictor = "compiled" needs
	$(INSTALL) --require-hashes -r requirements-compiled.lock

tune: .venv/run  ## Install what perennial retrain --tune needs
	$(INSTALL) --require-hashes -r requirements-tune.lock

postgres: .venv/run  ## Install what sources in PostgreSQL need
	$(INSTALL) --require-hashes -r requirements-postgres.lock

dask: .venv/run  ## Install what [training] engine = "dask" needs
	$(INSTALL) --require-hashes -r requirements-dask.lock

clean: down  ## Remove the environments and what runs left behind
	rm -rf .venv .venv-* .perennial .perennial-* dist site .site

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "Perennial needs Python 3.11 or 3.12; set PYTHON=/path/to/it" >&2; exit 1; }
	$(PYTHON) -m venv .venv

# An environment of its own: no test needs the builder of the site, which is larger than most.
.venv-docs/done: requirements-docs.lock
	$(PYTHON) -m venv .venv-docs
	.venv-docs/bin/python -m pip install --quiet --disable-pip-version-check --no-deps \
		--require-hashes -r requirements-docs.lock
	@touch $@

# The locks are complete: --no-deps keeps pip from looking for anything that they do not pin.
.venv/run: requirements.lock pyproject.toml | .venv/bin/python
	$(INSTALL) --require-hashes -r requirements.lock
	$(INSTALL) --no-build-isolation --editable .
	@touch $@

.venv/dev: requirements-dev.lock pyproject.toml | .venv/bin/python
	$(INSTALL) --require-hashes -r requirements-dev.lock
	$(INSTALL) --no-build-isolation --editable .
	@touch $@ .venv/run
