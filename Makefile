PYTHON ?= python3
BIN := .venv/bin
OUT ?= results/demo
SUITE ?= emoji-cartoon
CASE ?= ghost
LIMIT ?= 72
METHODS ?= uce dumo
SCORERS ?= concept,judge2,clip_score,likeness,blank
DEMO_ARGS ?=
SUITES ?= emoji-unsafe emoji-cartoon emoji-artist
# of training seeds: several for the first, one for the others; what is not trained has none
TRAINED ?= esd receler dumo
ONCE ?= advunlearn ca eap mace modular sce sdd spm
CLOSED ?= uce rece speed negative sld
SEEDS ?= 0 1 2
# those that know a flow model, on emoji-flow; _ stands for a space
FLOW ?= uce uce_--set_preset=paper_--set_augment=object_--set_preserve=["@objects","@styles"] rece sdd esd eraseanything
TABLE ?= build/emoji-table
ATTACKED ?= results/emoji-attacks
# suite/case/method:setting=value, weakest first: what each method is made stronger by, on an object; then the closed
# forms where they fall short. _ stands for a space.
WEIGHTS ?= 1 0.3 0.1 0.03 0.01
RIDGES ?= 30 10 3 1 0.3
OBJECT ?= $(WEIGHTS:%=uce:preserve_scale=%) $(WEIGHTS:%=rece:preserve_scale=%) \
  esd:steps=30 esd:steps=90 esd:steps=240 esd:steps=480 \
  receler:steps=25 receler:steps=50 receler:steps=100 receler:steps=200 \
  dumo:steps=40 dumo:steps=80 dumo:negative=0 dumo:negative=0.5 dumo:negative=1 dumo:negative=1.5
SEVERAL ?= $(WEIGHTS:%=uce:preserve_scale=%) $(WEIGHTS:%=rece:preserve_scale=%)
STYLE ?= $(RIDGES:%=uce:ridge=%) $(RIDGES:%=rece:start_ridge=%) $(STRENGTH)
STRENGTHS ?= 0.5 1.0 1.5 2.0
STRENGTH ?= $(foreach method,$(TRAINED) $(ONCE),$(STRENGTHS:%=$(method):strength=%))
SWEEP ?= $(OBJECT:%=emoji-cartoon/ghost/%) $(SEVERAL:%=emoji-cartoon/ghost+santa_claus+clown/%) \
  $(SEVERAL:%=emoji-unsafe/unsafe/%) $(STYLE:%=emoji-artist/noto/%)

# glibc's allocator otherwise returns every large tensor to the system: 3 times slower training on a CPU
export MALLOC_MMAP_MAX_ = 0
export MALLOC_TRIM_THRESHOLD_ = 4294967296
export HF_HUB_DISABLE_TELEMETRY = 1

.PHONY: help setup demo emoji-table emoji-flow-table emoji-reproduced emoji-small emoji-attacks emoji-sweep test test-slow lint format check docs deviations docs-check site clean

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
	    --out $(OUT) $(DEMO_ARGS) || exit $$?; \
	done
	$(BIN)/dumo-bench report $(OUT)

emoji-table: setup  ## every method on the three emoji suites: hours; goes on where it stopped
	for suite in $(SUITES); do \
	  for method in $(CLOSED) $(ONCE); do \
	    $(BIN)/dumo-bench run --method $$method --suite $$suite --scorers $(SCORERS) --out $(TABLE) || exit $$?; \
	  done; \
	  for seed in $(SEEDS); do for method in $(TRAINED); do \
	    $(BIN)/dumo-bench run --method $$method --suite $$suite --seed $$seed --scorers $(SCORERS) --out $(TABLE) \
	      || exit $$?; \
	  done; done; \
	done
	$(BIN)/dumo-bench report $(TABLE)

emoji-flow-table: setup  ## the erasers of flow models on emoji-flow's ghost: an hour; goes on where it stopped
	for method in $(FLOW:%='%'); do \
	  $(BIN)/dumo-bench run --model emoji-flow --method $$(echo "$$method" | tr _ ' ') --suite emoji-cartoon --case ghost \
	    --limit 166 --scorers $(SCORERS) --out $(TABLE)/flow || exit $$?; \
	done
	$(BIN)/dumo-bench report $(TABLE)/flow

emoji-reproduced: setup  ## the five methods of `reproduce emoji`: under half an hour on two idle cores
	$(BIN)/dumo-bench reproduce emoji --out build/emoji-reproduced

emoji-small: setup  ## a part of it, compared with the committed run on the same prompts and noise
	$(BIN)/dumo-bench reproduce emoji --table 1 --method uce --out build/emoji-small
	$(BIN)/python tests/reproduced.py build/emoji-small

emoji-attacks: setup  ## attacks on every method and on two controls: hours; goes on where it stopped
	$(BIN)/python -m dumo_bench.emoji.unseen build/hosts
	$(BIN)/dumo-bench run $(ATTACKED)/experiment.toml
	$(BIN)/dumo-bench run $(ATTACKED)/noto.toml
	$(BIN)/dumo-bench report $(ATTACKED)

emoji-sweep: setup  ## what each method's strength erases and breaks: hours; goes on where it stopped
	for one in $(SWEEP); do \
	  suite=$${one%%/*}; rest=$${one#*/}; case=$$(echo $${rest%/*} | tr _ ' '); said=$${rest##*/}; \
	  $(BIN)/dumo-bench run --method $${said%%:*} --set $${said#*:} --suite $$suite --case "$$case" --limit 120 \
	    --scorers $(SCORERS) --out $(TABLE)/sweep || exit $$?; \
	done
	$(BIN)/dumo-bench report $(TABLE)/sweep

# A worker a core and one thread a worker: torch's threads would crowd the cores of the other workers.
WORKERS ?= $(shell getconf _NPROCESSORS_ONLN)

test: setup  ## the fast tests, on all cores
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n $(WORKERS) --dist worksteal

test-slow: setup  ## the tests that train or sample for minutes
	$(BIN)/python -m pytest -q -m slow

lint: setup  ## format, style, types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy --strict dumo_bench

format: setup  ## let ruff mend what it can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

check: lint test  ## what continuous integration runs

docs: setup  ## write the command help and the plugin tables into docs/commands.md and docs/plugins.md
	$(BIN)/python tests/test_docs.py

deviations: setup  ## how far our numbers lie from other libraries', into docs/deviations.md: a minute
	$(BIN)/python tests/deviations.py

docs-check: setup  ## the pages say what the program prints
	$(BIN)/python -m pytest -q tests/test_docs.py

site: setup  ## the documentation as a site in build/site, strictly
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

clean:  ## forget the caches; results stay
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis build/lib build/bdist.*
