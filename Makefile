# make demo   the whole tour on real text of this machine, under six minutes on two cores
# make test   everything CI checks
#
# Each needs only Python 3.11+ (with venv), git and make: it makes .venv, installs what constraints.txt pins, does its
# job. A second call finds .venv as it should be and installs nothing. PYTHON=python3.12 chooses the interpreter.
#
# torch comes from PyPI, whose Linux build carries CUDA (gigabytes). Without a GPU the CPU build does the same work; to
# get it, name PyTorch's CPU index before the first call:
#   PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu make demo

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test lint types unit bench surrogates synthetic clean

VENV := .venv
BIN := $(VENV)/bin
JOBS ?= 2
BENCHMARKS := commands scale fingerprint overhead proxy_speed proxy_vs_plain proxy_reliability
# The interpreter: the one named, or the first of these that will do.
CANDIDATES := $(or $(PYTHON),python3 python3.13 python3.12 python3.11 python3.14)

# pip reads both itself, also for the throw-away environment that builds the package; newer pips want the second name.
export PIP_CONSTRAINT := constraints.txt
export PIP_BUILD_CONSTRAINT := constraints.txt
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Bytecode is made at first import, and only of what is imported: installing takes half the time.
PIP_INSTALL := $(BIN)/python -m pip install --quiet --no-compile

help:
	@sed -n 's/^# \(make [a-z]*\)/\1/p' Makefile

demo: $(VENV)/.train
	$(BIN)/python docs/demo/run.py

test: lint types unit

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(VENV)/.dev
	$(BIN)/mypy

unit: $(VENV)/.dev
	$(BIN)/python -m pytest -n $(JOBS)

# The tables of docs/performance.md, on a quiet machine; three quarters of an hour on two cores.
bench: $(VENV)/.dev
	@for name in $(BENCHMARKS); do \
	  echo "== $$name"; $(BIN)/python tests/benchmarks/$$name.py || exit 1; \
	done

# The tables of surrogates in docs/numerics.md; SWARM is a folder with the published tables, which are not in here.
surrogates: $(VENV)/.dev
	OMP_NUM_THREADS=1 $(BIN)/python tests/benchmarks/surrogates.py $(SWARM) --families log_linear,saturating,gaussian,lightgbm

# The tables of swarms on known truths in docs/numerics.md; half an hour on a quiet core.
synthetic: $(VENV)/.dev
	OMP_NUM_THREADS=1 $(BIN)/python tests/benchmarks/synthetic.py

clean:
	rm -rf $(VENV) demo build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

# torch goes first and alone: resolved among the rest, an older pip may settle on another build of the same version.
$(VENV)/.torch: constraints.txt | $(BIN)/python
	@echo "Installing torch into $(VENV) (once) …"
	@$(PIP_INSTALL) "$$(grep '^torch==' constraints.txt)"
	@touch $@

$(VENV)/.train: $(VENV)/.torch pyproject.toml constraints.txt
	@echo "Installing olmixctl into $(VENV) (once) …"
	@$(PIP_INSTALL) --editable '.[train]'
	@touch $@

$(VENV)/.dev: $(VENV)/.torch pyproject.toml constraints.txt
	@echo "Installing olmixctl and its checks into $(VENV) (once) …"
	@$(PIP_INSTALL) --editable '.[train,tokenizers,parquet,dev]'
	@touch $(VENV)/.train $@

$(BIN)/python:
	@for candidate in $(CANDIDATES); do \
	  if "$$candidate" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    exec "$$candidate" -m venv $(VENV); \
	  fi; \
	done; \
	echo "olmixctl needs Python 3.11 or newer with venv; none of these is one: $(CANDIDATES)" >&2; \
	echo "Install it (Debian, Ubuntu: apt install python3 python3-venv) or name it: make PYTHON=/path/to/python3 …" >&2; \
	exit 1
