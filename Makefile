# What a contributor runs. `make` alone lists it; CONTRIBUTING.md says when.

.DEFAULT_GOAL := help
.PHONY: help run test quick lint format types slow check reference docs bench hooks ci clean

# The library that `make run` opens, so that trying things out leaves your own alone.
LUNALUX_HOME ?= $(CURDIR)/build/home
# `make quick TESTS=tests/core/test_chat.py`
TESTS ?= tests
# `make bench BENCH=worldbook`
BENCH ?= stream

help:  ## list these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# The virtual environment; made again when the declared packages change.
.venv/installed: pyproject.toml
	python3 -m venv .venv && .venv/bin/pip install -q -e '.[dev]'
	@touch $@

run: .venv/installed  ## start the app over a library of its own (build/home)
	LUNALUX_HOME='$(LUNALUX_HOME)' .venv/bin/lunalux

test:  ## what the README says: set up and run every test but the slow ones
	python3 -m venv .venv && .venv/bin/pip install -q -e '.[dev]' && .venv/bin/pytest -n auto --dist loadfile

quick: .venv/installed  ## run some tests: make quick TESTS=tests/core/test_chat.py
	.venv/bin/pytest $(TESTS)

lint: .venv/installed  ## check style and format
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .

format: .venv/installed  ## mend what style and format can mend by themselves
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

types: .venv/installed  ## check types
	.venv/bin/mypy

slow: .venv/installed  ## run the suites that need servers or minutes
	.venv/bin/pytest -m slow -n auto --dist loadfile

check: lint types docs  ## lint, types and docs together

reference: .venv/installed  ## write the reference pages from the code
	.venv/bin/python docs/make.py

docs: .venv/installed  ## build the documentation into build/site; a broken link fails
	.venv/bin/mkdocs build --strict

bench: .venv/installed  ## run a benchmark: make bench BENCH=worldbook (benchmarks/README.md)
	.venv/bin/python benchmarks/$(BENCH).py

hooks: .venv/installed  ## check style before each commit and types before each push
	.venv/bin/pre-commit install

ci:  ## all that must pass before a change lands
	.ci/run

clean:  ## remove what was built; the library of make run too
	rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
