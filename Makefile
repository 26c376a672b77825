# Every target sets up what it needs in .venv, from the locks, with nothing but Python and make.
SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
PYTHONS := 3.11 3.12 3.13
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null \
	&& echo $$p && break; done)
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps
SOURCES := bentos flows tasks tests benchmarks tools

.DEFAULT_GOAL := help
.PHONY: help demo serve up down test torture fuzz cover mutants check prove tiny drill package \
	asuser docs deploy smoke audit vulnerable rubric bench lock upgrade pythons versions compiled tune \
	postgres dask clean

help:  ## List the targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

demo: $(VENV)/run  ## Train, judge, approve and release a model on every flight of 2013
	$(BIN)/perennial retrain flight-delay --approve-as "$$(id -un) (make demo)"

serve: $(VENV)/run  ## Serve the champion on http://127.0.0.1:3000, following releases
	$(BIN)/perennial serve flight-delay

up: $(VENV)/run  ## Start Prefect's server with its UI, a worker, all deployments and the service
	@$(BIN)/perennial up

down:  ## Stop what `make up` started
	@test ! -x $(BIN)/perennial || $(BIN)/perennial down

# One process more than there are cores: some tests wait, for a clock or for what they killed.
test: $(VENV)/dev  ## Run the tests
	$(BIN)/pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder

torture: $(VENV)/dev  ## Kill retrain and release 200 times each, on disk and S3, and more (KILLS=, SEED=)
	KILLS=$(KILLS) SEED=$(SEED) $(BIN)/pytest tests/torture -s -p no:cacheprovider
KILLS ?= 200
SEED := $(or $(SEED),$(shell date +%s))

check: $(VENV)/dev  ## Lint, check formatting, types, what is imported from where, and examples
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/deptry .
	$(BIN)/lint-imports
	$(BIN)/pytest --doctest-modules --ignore=bentos/service.py bentos flows tasks tests/test_house.py

fuzz: $(VENV)/dev  ## Fuzz what reads requests, manifests, ledgers and definitions (FUZZ= seconds each)
	$(INSTALL) --require-hashes -r tests/fuzz/atheris.lock
	set -e; for reader in connection request manifest ledger definition; do \
		PYTHONPATH=tests/support $(BIN)/python tests/fuzz/readers.py $$reader $(FUZZ); done
FUZZ ?= 60

cover: $(VENV)/dev  ## Run the tests and say which lines and branches none of them reached
	rm -rf .coverage
	$(BIN)/coverage run -m pytest; ran=$$?; \
	$(BIN)/coverage combine --quiet .coverage/data.* && $(BIN)/coverage report && exit $$ran

mutants: $(VENV)/dev  ## Change the gate, the registry and the features, one thing at a time
	PYTHONPATH=tests/support $(BIN)/python -m tools.mutants tasks/features/transform.py $(T)/features/test_transform.py $(T)/core/test_sql.py
	PYTHONPATH=tests/support $(BIN)/python -m tools.mutants tasks/registry/versions.py $(T)/registry/test_version_names.py $(T)/registry/test_versions.py
	PYTHONPATH=tests/support $(BIN)/python -m tools.mutants tasks/validation/gate.py $(T)/validation/test_gate_edges.py $(T)/validation/test_gate.py
T := tests/tasks

prove: $(VENV)/dev  ## Serve the champion's bento elsewhere, with only its own requirements
	PYTHONPATH=tests/support $(BIN)/python -m tools.elsewhere flight-delay

tiny: $(VENV)/run  ## Train, prove and release a small model, in a folder of its own
	$(TINY) $(BIN)/perennial retrain flight-delay --as-of 2013-04-01 --approve-as "make tiny"

drill: tiny  ## Spoil copies of the small model and its data: is each fault caught?
	$(TINY) $(BIN)/perennial drill flight-delay
TINY := env -u PERENNIAL_ROOT PERENNIAL_ENV=tiny BENTOML_HOME=.perennial-tiny/bentoml

package: $(VENV)/dev  ## Build the wheel and the source distribution in dist/, without a network
	rm -rf dist
	$(BIN)/python -m hatchling build

asuser: package  ## Run the README as a new user: the wheel in a folder of its own, and a fresh clone
	PYTHONPATH=tests/support $(BIN)/python -m tools.asuser

docs: $(VENV)/dev .venv-docs/done  ## Build the documentation in site/: a dead link fails it, and it needs no network
	$(BIN)/python -m tools.docs assemble
	.venv-docs/bin/zensical build --clean --strict
	$(BIN)/python -m tools.docs check

deploy: $(VENV)/run  ## Register pool, deployments and automations with a server that is up
	$(BIN)/perennial deploy

smoke: $(VENV)/run  ## Ask a system that is up for a retrain, and find its candidate
	PYTHONPATH=tests/support $(BIN)/python -m tools.smoke flight-delay

audit: $(VENV)/dev  ## Check locks, licences, and that no secret is tracked; no network
	git ls-files -z | xargs -0 $(BIN)/detect-secrets-hook --no-verify --exclude-secrets '^test$$'
	$(BIN)/pytest tests/test_locks.py

vulnerable: $(VENV)/dev  ## Ask the network which locked packages have known vulnerabilities
	$(BIN)/uv tool run pip-audit==2.10.1 --disable-pip --require-hashes -r requirements.lock

rubric: $(VENV)/dev  ## Count the ML Test Score anew, from tests that run now
	PYTHONPATH=tests/support $(BIN)/python -m tools.rubric

bench: $(VENV)/dev  ## Measure against peers and bare scripts, side by side in one run
	$(BIN)/python -m benchmarks

lock: $(VENV)/dev  ## Pin what is new, and UPGRADE= anew, with hashes and without a registry's host
	$(BIN)/uv pip compile pyproject.toml --group dev --extra compiled --extra tune --extra postgres --extra dask \
		$(COMPILE) $(addprefix --upgrade-package ,$(UPGRADE)) -o requirements-dev.lock
	$(BIN)/uv pip compile pyproject.toml --group build $(COMPILE) -c requirements-dev.lock -o requirements.lock
	set -e; for extra in compiled=llvmlite tune=optuna postgres=adbc-driver-postgresql dask=distributed; do \
		echo $${extra#*=} | $(BIN)/uv pip compile - $(COMPILE) -c requirements-dev.lock \
		-o requirements-$${extra%=*}.lock; done
	$(BIN)/uv pip compile --group docs $(COMPILE) -o requirements-docs.lock
COMPILE := --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
	--no-emit-index-url

upgrade: $(VENV)/dev  ## Try a newer PACKAGE= (or "A B==1") in a copy: its lock and the tests that matter
	@test -n "$(PACKAGE)" || { echo "say which: make upgrade PACKAGE=prefect" >&2; exit 1; }
	$(BIN)/python -m tools.upgrade $(PACKAGE)

pythons:  ## On each other Python that is supported and is here: make versions, in .venv-VERSION
	@set -e; for version in $(PYTHONS); do \
		if ! python$$version -c '' 2>/dev/null; then echo "python$$version: is not here"; \
		elif ! $(BIN)/python$$version -c '' 2>/dev/null; then \
			$(MAKE) VENV=.venv-$$version PYTHON=python$$version versions; fi; done

versions: $(VENV)/dev  ## What differs between Pythons: rooms with compiled code, a model, its service
	$(BIN)/pytest -p no:cacheprovider $(addprefix $(T)/,core features analysis preparation training \
		evaluation prediction serving) tests/bentos
	rm -rf $(ASIDE)
	PERENNIAL_ROOT=$(ASIDE) PREFECT_HOME=$(ASIDE)/prefect BENTOML_HOME=$(ASIDE)/bentoml \
		$(BIN)/perennial retrain flight-delay --as-of 2013-04-01 --approve-as "make versions"
ASIDE := $(abspath $(VENV))/model

compiled: $(VENV)/run  ## Install what [serving] predictor = "compiled" needs
	$(INSTALL) --require-hashes -r requirements-compiled.lock

tune: $(VENV)/run  ## Install what perennial retrain --tune needs
	$(INSTALL) --require-hashes -r requirements-tune.lock

postgres: $(VENV)/run  ## Install what sources in PostgreSQL need
	$(INSTALL) --require-hashes -r requirements-postgres.lock

dask: $(VENV)/run  ## Install what [training] engine = "dask" needs
	$(INSTALL) --require-hashes -r requirements-dask.lock

clean: down  ## Remove the environments and what runs left behind
	rm -rf .venv .venv-* .perennial .perennial-* dist site .site

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "Perennial needs Python 3.11, 3.12 or 3.13; set PYTHON=/path/to/it" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

# An environment of its own: no test needs the builder of the site, which is larger than most.
.venv-docs/done: requirements-docs.lock
	$(PYTHON) -m venv .venv-docs
	.venv-docs/bin/python -m pip install --quiet --disable-pip-version-check --no-deps \
		--require-hashes -r requirements-docs.lock
	@touch $@

# The locks are complete: --no-deps keeps pip from looking for anything that they do not pin.
$(VENV)/run: requirements.lock pyproject.toml | $(VENV)/bin/python
	$(INSTALL) --require-hashes -r requirements.lock
	$(INSTALL) --no-build-isolation --editable .
	@touch $@

$(VENV)/dev: requirements-dev.lock pyproject.toml | $(VENV)/bin/python
	$(INSTALL) --require-hashes -r requirements-dev.lock
	$(INSTALL) --no-build-isolation --editable .
	@touch $@ $(VENV)/run
