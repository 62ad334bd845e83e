# make demo   from nothing to a table of phone error rates (sets everything up)
# make test   the whole test suite (sets everything up)
# make check  format, lint, types, fast tests and doctests: before every commit
# make bench  measurements, written to docs/benchmarks.md

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.installed

.PHONY: demo test check bench clean

demo: $(READY)-demo
	$(BIN)/cnn-mellin demo demo

test: $(READY)-dev
	$(BIN)/python -m pytest --cov --cov-report=term

check: $(READY)-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -m "not slow" -n 2

bench: $(READY)-dev
	for part in benchmarks/*.py; do $(BIN)/python $$part || exit 1; done

$(READY)-demo: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info < (3, 14) else "Python 3.11, 3.12 or 3.13 is needed, this is %d.%d: make PYTHON=python3.12 ..." % sys.version_info[:2])'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[demo,report]"
	touch $@

$(READY)-dev: $(READY)-demo
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev]"
	touch $@

clean:
	rm -rf $(VENV) demo .coverage .pytest_cache .mypy_cache .ruff_cache .hypothesis
