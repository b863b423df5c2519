# Everything a person or CI runs. `make demo` and `make test` need git, make and Python 3.11 or later.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
# Processes that share the tests, a file at a time; each computes with one thread.
WORKERS ?= 2
export OMP_NUM_THREADS ?= 1
PIP    := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt
# The demo needs nothing heavy; the tests bring torch, FAISS and the packaged sentence model.

# Mutated pages for the HTML pruner; the same pages for the same seed.
PAGES ?= 10000
SEED ?= 0

.PHONY: demo test test-slow fuzz lint types bench-quick clean

$(VENV)/.base: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) --editable .
	touch $@

$(VENV)/.dev: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) torch --editable ".[dev]"
	touch $@ $(VENV)/.base

demo: $(VENV)/.base
	$(BIN)/python examples/demo.py

test: $(VENV)/.dev
	$(BIN)/python -m pytest -m "not slow and not gpu" -n $(WORKERS) --dist loadfile $(if $(COVERAGE),--cov --cov-report=)
ifdef COVERAGE
	$(BIN)/coverage report --include "datapruner/core/*" --fail-under 100
	$(BIN)/coverage report --omit "datapruner/core/*" --fail-under 90
endif

test-slow: $(VENV)/.dev
	$(BIN)/python -m pytest -m "slow or gpu" -rs

fuzz: $(VENV)/.dev
	$(BIN)/python -m tests.fuzz.html --pages $(PAGES) --seed $(SEED) --workers $(WORKERS)

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy

bench-quick: $(VENV)/.dev
	$(BIN)/python benchmarks/core/run.py --quick
	$(BIN)/python benchmarks/dataset/prototypes_speed/run.py --quick
	$(BIN)/python benchmarks/dataset/prototypes/run.py --quick
	$(BIN)/python benchmarks/dataset/concepts/run.py --quick
	$(BIN)/python -m benchmarks.resample.run --quick
	$(BIN)/python -m benchmarks.scores.run --quick
	$(BIN)/python -m benchmarks.distill.run --quick
	$(BIN)/python -m benchmarks.distill.speed --quick

clean:
	rm -rf $(VENV) demo-output build dist *.egg-info .coverage
