# Every target makes .venv where it is missing and installs what it needs, the checkout itself included.

BIN := .venv/bin
PYTHON := $(shell command -v python3.11 || command -v python3)

.PHONY: demo test check bench

demo: .venv/demo.stamp
	$(BIN)/python cli.py demo

test: .venv/dev.stamp
	$(BIN)/python -m pytest

check: .venv/dev.stamp
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

bench: .venv/dev.stamp
	$(BIN)/python -m benchmarks

.venv/demo.stamp: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[demo]'
	touch $@

.venv/dev.stamp: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@ .venv/demo.stamp

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit("fauxface needs Python 3.11 or newer" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv .venv
