# One name per chore. `make demo` is the way in; `make test` is the way to be sure.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
SERVE ?= 1
BIN := .venv/bin
MODELS := ae vae gan

.PHONY: help demo page test test-slow lint format toy-bundles clean

help:
	@echo "make demo          install, train three models, export, verify, show the page (SERVE=0: no page)"
	@echo "make page          show the page"
	@echo "make test          lint, types and every quick test"
	@echo "make test-slow     MNIST, a real browser, long faults"
	@echo "make lint          ruff and mypy"
	@echo "make format        let ruff lay the code out"
	@echo "make toy-bundles   make the bundles in tests/bundles again"

# One tested set of versions; `pip install -c constraints.txt -e '.[train,app]'` by hand is the same.
.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt -e '.[train,app]'
	@touch $@

.venv/installed-dev: .venv/installed
	$(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt -e '.[train,app,dev]'
	@touch $@

# The demo's own runs and bundles are made anew each time; no others are touched.
demo: .venv/installed
	rm -rf $(MODELS:%=runs/demo-%)
	for model in $(MODELS); do \
	    $(BIN)/python -m gensuite.train --model $$model --run-dir runs/demo-$$model && \
	    $(BIN)/python -m export runs/demo-$$model --force && \
	    $(BIN)/python -m gensuite.verify artifacts/demo-$$model || exit $$?; \
	done
	$(BIN)/python -m export.contact_sheet $(MODELS:%=artifacts/demo-%)
	@if [ "$(SERVE)" != 0 ]; then $(BIN)/streamlit run streamlit_app.py; fi

page: .venv/installed
	$(BIN)/streamlit run streamlit_app.py

test: lint
	$(BIN)/python -m pytest

test-slow: .venv/installed-dev
	$(BIN)/python -m pytest -m slow

lint: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: .venv/installed-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

toy-bundles: .venv/installed
	$(BIN)/python -m tests.make_toy_bundles

clean:
	rm -rf .venv build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache
