# make demo   environment, install, upscale a real photograph, before/after picture
# make test   environment, install, tests
# make docs   the documentation as a site, in site/
# make numbers  tables of README and docs, from docs/records
# make check  formatting, lint, types, layers, dependencies, dead code
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

.PHONY: demo test test-slow check docs numbers install clean

demo: $(STAMP)
	$(BIN)/python examples/demo.py --output demo-output

test: $(STAMP)
	$(BIN)/python -m pytest -n auto

test-slow: $(STAMP)
	$(BIN)/python -m pytest -n auto -m slow

check: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry src
	$(BIN)/vulture

docs: $(STAMP)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --site-dir site

numbers: $(STAMP)
	$(BIN)/python docs/making/tables.py

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "nlcunet needs Python 3.11 or newer: got $$($(PYTHON) --version); try make PYTHON=python3.12"; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --no-deps spandrel einops
	@touch $(STAMP)

clean:
	rm -rf $(VENV) demo-output site .pytest_cache .mypy_cache .ruff_cache
