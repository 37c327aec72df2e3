# Every target makes .venv where it is missing and installs what it needs, the checkout itself included, in the versions
# of the lock: left to itself, pip may look for versions that fit together for a quarter of an hour and more.

BIN := .venv/bin
PYTHON := $(shell command -v python3.11 || command -v python3)
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check
VERSIONS := .venv/versions.txt

.PHONY: demo test check bench ci-install lock release

demo: .venv/demo.stamp
	$(BIN)/python cli.py demo

test: .venv/dev.stamp
	$(BIN)/python -m pytest --numprocesses 2 --dist loadscope

check: .venv/dev.stamp
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

bench: .venv/dev.stamp
	$(BIN)/python -m benchmarks

# Wheel and sdist of the last commit in dist/, built twice alike and tried in an environment of their own.
release: .venv/dev.stamp
	$(BIN)/python -m tests.release

# What CI installs, by hash: Python 3.11 on x86-64 Linux. Its torch is the CPU build: pip has to know where that lies
# (PIP_FIND_LINKS, or PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu).
ci-install: $(VERSIONS)
	$(INSTALL) --require-hashes --no-deps -r requirements.lock
	$(INSTALL) --no-deps --no-build-isolation --editable .
	touch .venv/demo.stamp .venv/dev.stamp

# The newest versions that fit; try them with `make ci-install check test` before they are committed.
lock: .venv/dev.stamp
	$(BIN)/uv pip compile pyproject.toml --extra dev --output-file requirements.lock --upgrade --generate-hashes \
		--python-version 3.11 --python-platform x86_64-unknown-linux-gnu --no-annotate --quiet \
		--custom-compile-command 'make lock' $(addprefix --find-links ,$(PIP_FIND_LINKS))

.venv/demo.stamp: pyproject.toml $(VERSIONS)
	$(INSTALL) --constraint $(VERSIONS) --editable '.[demo]'
	touch $@

.venv/dev.stamp: pyproject.toml $(VERSIONS)
	$(INSTALL) --constraint $(VERSIONS) --editable '.[dev]'
	touch $@ .venv/demo.stamp

# Without hashes, which pip would then want of the checkout too, and without the build of torch: any serves here.
$(VERSIONS): requirements.lock | $(BIN)/python
	sed -nE 's/^([A-Za-z0-9._-]+==[^ +]+).*/\1/p' requirements.lock > $@

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit("fauxface needs Python 3.11 or newer" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv .venv
