# One command each. `make help` lists them.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
RUN    := $(BIN)/python -m callcenter

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev run test unit check bench lock clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

run: setup ## set everything up, start it, put one real call through, go on serving (ONCE=1: stop then)
	@exec $(RUN) run $(if $(ONCE),--once)

setup: $(VENV)/.runtime
setup-dev: $(VENV)/.dev

$(VENV)/.created:
	@echo "==> virtual environment in $(VENV)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Python 3.11 or newer is needed; this is $$($(PYTHON) --version). Name another: make run PYTHON=python3.11"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { \
	  echo "The venv module is incomplete: as root, apt install python3-venv, then again."; exit 1; }
	@touch $@

$(VENV)/.runtime: $(VENV)/.created requirements.lock
	@echo "==> locked dependencies (a minute the first time)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@echo "$(CURDIR)" > $$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/callcenter.pth
	@printf '#!/bin/sh\nexec "%s" -m callcenter "$$@"\n' "$(CURDIR)/$(BIN)/python" > $(BIN)/callcenter && chmod +x $(BIN)/callcenter
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements-dev.lock
	@echo "==> locked development tools"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

check: setup-dev ## format, lint, types, import rules: exactly what CI checks
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q tests/contract

unit: setup-dev ## the tests that need no socket, database or Asterisk
	$(BIN)/python -m pytest -q tests/unit

test: setup-dev ## every test, the ones with a real Asterisk included
	@$(RUN) asterisk install
	$(BIN)/python -m pytest -q tests/unit --durations=3
	$(BIN)/python -m pytest -q tests/contract
	$(BIN)/python -m pytest -q tests/integration -n 2 --durations=3
	$(BIN)/python -m pytest -v tests/e2e -n 2 --dist loadfile --durations=10

bench: setup-dev ## measure, by pairs in one run
	$(BIN)/python -m bench

lock: setup-dev ## write the lock files anew from pyproject.toml
	@$(BIN)/python -m pip install --quiet pip-tools
	$(BIN)/pip-compile -q --generate-hashes --allow-unsafe --strip-extras --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-header -o requirements.lock pyproject.toml
	$(BIN)/pip-compile -q --generate-hashes --allow-unsafe --strip-extras --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-header --extra dev -c requirements.lock -o requirements-dev.lock pyproject.toml

clean: ## remove the virtual environment (the instance in .callcenter stays)
	rm -rf $(VENV)
