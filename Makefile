# One name per chore. `make demo` is the way in; `make test` is the way to be sure.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
SERVE ?= 1
BIN := .venv/bin
MODELS := ae vae gan

.PHONY: help demo page screenshots test test-slow hostile steady mischief crowd bench bench-quick survive-kill survive-stop survive-nonfinite survive-faults lint format toy-bundles lock audit clean

help:
	@echo "make demo          install, train three models, export, verify, show the studio (SERVE=0: do not)"
	@echo "make page          show the studio"
	@echo "make screenshots   take pictures of all its pages (needs chromium and a Korean font)"
	@echo "make test          lint, types and every quick test"
	@echo "make test-slow     MNIST, a real browser, long faults"
	@echo "make hostile       200,000 hostile bundles, half an hour"
	@echo "make steady        a million images, 100,000 requests, 64 threads on one generator"
	@echo "make survive-kill  300 kills of trainings, each resumed and compared byte by byte"
	@echo "make survive-stop  100 signals likewise"
	@echo "make survive-nonfinite  NaN and infinity put into 100 trainings"
	@echo "make survive-faults  every system call of a checkpoint and a bundle; 100 of a whole export"
	@echo "make mischief      10,000 hostile queries, 500 pictures, 5,000 settings"
	@echo "make crowd         50 visitors for ten minutes, then 500 at one moment and 100 uploads"
	@echo "make bench         every table of speed, an hour alone on the machine (RAW_DIR=folder with mnist/)"
	@echo "make bench-quick   the same with a few steps, to see that figures come out"
	@echo "make lint          ruff and mypy"
	@echo "make format        let ruff lay the code out"
	@echo "make toy-bundles   make the bundles in tests/bundles again"
	@echo "make lock          write requirements.lock and docs/licences.md from constraints.txt"
	@echo "make audit         look the locked versions up among known vulnerabilities (needs the network)"

# One tested set of versions, each file known by its hash;
# `pip install -c constraints.txt -e '.[train,app]'` by hand takes the same versions.
.venv/installed: pyproject.toml requirements.lock
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

build/tools:
	$(PYTHON) -m venv build/tools
	build/tools/bin/python -m pip install --disable-pip-version-check uv==0.13.9 pip-audit==2.10.1

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

screenshots: .venv/installed
	$(BIN)/python -m tests.browser.screenshots

test: lint
	$(BIN)/python -m pytest

test-slow: .venv/installed
	$(BIN)/python -m pytest -m slow

hostile: .venv/installed
	$(BIN)/python -m benchmarks.hostile --count 200000

steady: .venv/installed
	for toy in ae cgan; do $(BIN)/python -m benchmarks.steady tests/bundles/toy-$$toy || exit $$?; done

survive-kill: CASES := 300
survive-stop: CASES := 100
survive-nonfinite: CASES := 100
survive-faults: CASES := 100
survive-kill survive-stop survive-nonfinite survive-faults: .venv/installed
	$(BIN)/python -m benchmarks.survive $(@:survive-%=%) --cases $(CASES)

mischief: .venv/installed
	$(BIN)/python -m benchmarks.mischief
	$(BIN)/python -m benchmarks.bad_settings

crowd: .venv/installed
	$(BIN)/python -m benchmarks.studio_load artifacts/vae-mnist
	$(BIN)/python -m benchmarks.crowd artifacts/vae-mnist

# Every benchmark that writes a table of speed, with its words; a new one is named here.
RAW := $(RAW_DIR:%=--raw-dir %)
BENCHES := 'inference' 'training $(RAW)' 'training --settings $(RAW)' 'larger_images' 'bulk artifacts/vae-mnist'
bench: .venv/installed
	for words in $(BENCHES); do $(BIN)/python -m benchmarks.$$words || exit $$?; done
	$(BIN)/python -m benchmarks.report

bench-quick: .venv/installed
	for words in $(BENCHES); do $(BIN)/python -m benchmarks.$$words --quick || exit $$?; done

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: .venv/installed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

toy-bundles: .venv/installed
	$(BIN)/python -m tests.make_toy_bundles

lock: build/tools
	build/tools/bin/uv pip compile pyproject.toml --extra train --extra app --extra ray --extra dev \
	    --constraints constraints.txt --generate-hashes --python-version 3.11 \
	    --python-platform x86_64-manylinux_2_28 --no-annotate \
	    --custom-compile-command 'make lock' --quiet --output-file requirements.lock
	$(BIN)/python -m tests.make_licences

# Strict: a package that no advisory service knows of has not been audited.
audit: build/tools
	build/tools/bin/pip-audit --strict --disable-pip --require-hashes -r requirements.lock

clean:
	rm -rf .venv build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache
