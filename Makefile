# All that a checkout needs. `make` lists the targets; each sets up what it needs in .venv and nothing else.
#
#   ARGS=…     more arguments for demo, test, bench and lock: make test ARGS="tests/unit -x"
#   JOBS=…     how many tests at once
#   PYTHON=…   the interpreter to build .venv with

.DEFAULT_GOAL := help
.SUFFIXES:
.NOTPARALLEL:
.PHONY: help demo test lab lab-down check format bench pictures lock wheel clean tools

# One more than the two processors of the budget: tests of real processes wait half of their time.
JOBS ?= 3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --no-input --disable-pip-version-check
UV_COMPILE := $(BIN)/uv pip compile --quiet --system-certs --universal --python-version 3.11 --generate-hashes \
	--no-header --no-annotate --no-emit-index-url
CODE := runbook tests $(wildcard bench)

# Settings of the caller's shell that would turn an installation away from .venv.
unexport PYTHONHOME PYTHONPATH PIP_CONSTRAINT PIP_PREFIX PIP_REQUIRE_VIRTUALENV PIP_TARGET PIP_USER
# One with which every process that is started compiles all of Runbook again, which takes it a second.
unexport PYTHONDONTWRITEBYTECODE

# The name holds the place: an environment that was moved or copied still points to where it was made.
MADE := $(VENV)/.made-$(shell pwd -P | cksum | cut -d' ' -f1)
RUNTIME := $(VENV)/.runtime
EDITABLE := $(VENV)/.editable
DEV := $(VENV)/.dev
# Exists while something is being installed: found later, it tells of an installation that was cut off.
BUSY := $(VENV)/.busy

ifneq ($(wildcard $(BUSY)),)
.PHONY: $(MADE)
endif

# `error` stops make with its text as the only line.
find_python = $(shell PYTHON='$(PYTHON)' .ci/find-python)
need_python = $(if $(filter /%,$(1)),$(1),$(error $(1)))
need_git = $(if $(shell git --version 2>/dev/null),,$(error git is needed and was not found: \
	install it (Debian: apt install git)))

help:  ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile

demo: tools $(EDITABLE)  ## Break a small shop on this machine and heal it with a playbook
	@$(BIN)/runbook demo $(ARGS)

test: tools $(EDITABLE) $(DEV)  ## Run all tests
	@$(BIN)/python -m pytest -n $(JOBS) $(ARGS)

lab: tools $(EDITABLE) $(DEV)  ## Start real hosts to try things on, and say how (Debian, root)
	@$(BIN)/python -m tests.lab up

lab-down: tools $(EDITABLE) $(DEV)  ## End the hosts of make lab
	@$(BIN)/python -m tests.lab down

check: tools $(EDITABLE) $(DEV)  ## Check format, lint, types, imports and spelling
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy --no-error-summary $(CODE)
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/codespell

format: tools $(DEV)  ## Format the code and mend what can be mended safely
	@$(BIN)/ruff format --quiet .
	@$(BIN)/ruff check --quiet --fix .

bench: tools $(EDITABLE) $(DEV)  ## Measure start-up, steps, SSH and fleets against peers and floors
	@$(BIN)/python bench/run.py $(ARGS)

pictures: tools $(EDITABLE) $(DEV)  ## Make the pictures and the recorded walk in assets/ from the real demo
	@$(BIN)/python assets/make_pictures.py $(ARGS)

lock: tools $(DEV)  ## Resolve the pinned versions again (ARGS=--upgrade for newer ones)
	@$(UV_COMPILE) pyproject.toml --group build --output-file requirements/runtime.txt $(ARGS)
	@$(UV_COMPILE) pyproject.toml --group dev --constraints requirements/runtime.txt \
		--output-file requirements/dev.txt $(ARGS)
	@for group in bench bench-fabric bench-pyinfra bench-ansible; do \
		$(UV_COMPILE) --group pyproject.toml:$$group --output-file requirements/$$group.txt $(ARGS) || exit; \
	done
	@if grep -n '://' requirements/*.txt; then echo 'a download address got into the locks' >&2; exit 1; fi

wheel: tools $(DEV)  ## Build the wheel into dist/
	@$(BIN)/hatchling build --target wheel --directory dist

clean:  ## Remove what was built and cached (the environment stays: rm -rf .venv)
	@rm -rf dist build htmlcov .coverage .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find runbook tests bench -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true

tools:
	@$(need_git):

$(MADE):
	@$(eval found := $(call need_python,$(find_python)))echo 'Setting up $(VENV) …' >&2
	@rm -rf $(VENV)
	@"$(found)" -m venv $(VENV)
	@touch $@

$(RUNTIME): $(MADE) requirements/runtime.txt
	@touch $(BUSY)
	@$(PIP) install --require-hashes -r requirements/runtime.txt
	@rm $(BUSY)
	@touch $@

$(EDITABLE): $(RUNTIME) pyproject.toml runbook/__init__.py
	@touch $(BUSY)
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@rm $(BUSY)
	@touch $@

$(DEV): $(RUNTIME) requirements/dev.txt
	@echo 'Adding the tools for tests …' >&2
	@touch $(BUSY)
	@$(PIP) install --require-hashes -r requirements/dev.txt
	@rm $(BUSY)
	@touch $@
