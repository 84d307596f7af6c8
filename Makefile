# Two commands do all: `make run` and `make test`. Everything else is a part of those.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check -q

.PHONY: setup run test check lint format types layers test-deps lock dist docs clean

setup: $(VENV)/.run-installed ## create .venv with the pinned packages of requirements/run.lock

run: setup ## everything on this machine, with the demo plant
	$(BIN)/iot-edge-anomaly up --demo $(ARGS)

test: test-deps $(VENV)/.dev-installed ## the whole test suite; what the machine lacks is skipped with a reason
	$(BIN)/python -m pytest $(ARGS)

check: lint types layers test ## exactly what CI runs

lint: $(VENV)/.dev-installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(VENV)/.dev-installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(VENV)/.dev-installed
	$(BIN)/mypy

layers: $(VENV)/.dev-installed
	$(BIN)/lint-imports

test-deps: ## with CI=true and root: install the Debian packages that some tests want; otherwise touch nothing
	@bash .ci/test-deps

lock: ## resolve requirements/*.lock anew (needs network)
	bash requirements/relock

dist: $(VENV)/.dev-installed
	$(BIN)/python -m build

clean:
	rm -rf $(VENV) dist

$(VENV)/bin/python:
	@bash .ci/preflight $(PYTHON)
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run-installed: requirements/run.lock pyproject.toml | $(VENV)/bin/python
	@echo "installing pinned packages into $(VENV) (first time only) ..."
	$(PIP) install --only-binary :all: --require-hashes -r requirements/run.lock
	$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev-installed: requirements/dev.lock $(VENV)/.run-installed
	@echo "installing pinned development packages ..."
	$(PIP) install --only-binary :all: --require-hashes -r requirements/dev.lock
	@touch $@
