PYTHON ?= python3
BIN := .venv/bin
OUT ?= results/demo
SUITE ?= emoji-cartoon
CASE ?= ghost
LIMIT ?= 72
METHODS ?= uce dumo
SCORERS ?= concept,clip_score,likeness
DEMO_ARGS ?=

# glibc's allocator otherwise returns every large tensor to the system: 3 times slower training on a CPU
export MALLOC_MMAP_MAX_ = 0
export MALLOC_TRIM_THRESHOLD_ = 4294967296
export HF_HUB_DISABLE_TELEMETRY = 1

.PHONY: help setup demo test test-slow lint format check docs docs-check clean

help:  ## what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

setup: .venv/.stamp  ## a virtual environment in .venv with the tested versions

.venv/.stamp: pyproject.toml setup.py constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q -c constraints.txt torch torchvision
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[dev]'
	touch $@

demo: setup  ## DuMo and UCE against the original model, scored and shown
	for method in $(METHODS); do \
	  $(BIN)/dumo-bench run --method $$method --suite $(SUITE) --case $(CASE) --limit $(LIMIT) \
	    --scorers $(SCORERS) --out $(OUT) $(DEMO_ARGS) || exit $$?; \
	done
	$(BIN)/dumo-bench report $(OUT)

test: setup  ## the fast tests
	$(BIN)/python -m pytest -q

test-slow: setup  ## the tests that train or sample for minutes
	$(BIN)/python -m pytest -q -m slow

lint: setup  ## format, style, types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy --strict dumo_bench baselines

format: setup  ## let ruff mend what it can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

check: lint test  ## what continuous integration runs

docs: setup  ## write the command help and the plugin tables into README.md
	$(BIN)/python tests/test_docs.py

docs-check: setup  ## README.md says what the program prints
	$(BIN)/python -m pytest -q tests/test_docs.py

clean:  ## forget the caches; results stay
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis build/lib build/bdist.*
