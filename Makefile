# make demo   from nothing to a table of phone error rates (sets everything up)
# make test   the test suite (sets everything up)
# make coverage  the test suite, with the lines and branches that it does not reach
# make soak   the long tests: kills and restarts of real servers and clusters, whole searches (sets everything up)
# make check  format, lint, types, fast tests and doctests; run it before every commit
# make bench  measurements, written to docs/benchmarks.md
# make site   the documentation as a web site with a reference of the Python API, in site/
# make lock   requirements.lock anew, from pyproject.toml and constraints.txt
# make lowest  tests of layers, settings and audio with the lowest versions that pyproject.toml allows
#
# PYTHON=python3.12     interpreter to make the environment with
# VENV=.venv            folder of the environment
# UV_OPTIONS="..."      options for uv in make lowest, such as --torch-backend=cpu without an NVIDIA GPU
# PIP_OPTIONS="..."     options for pip, such as --extra-index-url URL with the CPU index of PyTorch: without an NVIDIA GPU
#                       this downloads 0.3 GB instead of 2.9 GB (docs/install.md, "Without a GPU")

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP_OPTIONS ?=
UV_OPTIONS ?=
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt $(PIP_OPTIONS)
# Two test processes with one thread each: for tests and small models, one thread per process is fastest. Modules stay
# compiled, whatever the environment says, as the tests start hundreds of interpreters.
TEST := PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal

.PHONY: demo test coverage soak lint check bench site lock lowest clean

demo: $(VENV)/.demo
	$(BIN)/cnn-mellin demo demo

test: $(VENV)/.system
	$(TEST) -m "not soak" -rs

coverage: $(VENV)/.system
	$(TEST) -m "not soak" --cov --cov-report=term

soak: $(VENV)/.system
	$(TEST) -m soak -rs

lint: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

check: lint
	$(TEST) -m "not slow and not soak and not pretend"

bench: $(VENV)/.system
	for name in features mellin_correlation long_windows launches training prefix_beam_search search memory_guard; do $(BIN)/python benchmarks/$$name.py || exit 1; done

site: $(VENV)/.dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

lock: $(VENV)/.dev
	$(INSTALL) uv
	$(BIN)/uv pip compile --quiet pyproject.toml --extra demo --extra search --universal --python-version 3.11 \
		--constraint constraints.txt --generate-hashes --no-annotate --no-emit-index-url \
		--custom-compile-command "make lock" --output-file requirements.lock

lowest: $(VENV)-lowest/.lowest
	OMP_NUM_THREADS=1 $(VENV)-lowest/bin/python -m pytest tests/ops tests/layers tests/config tests/audio tests/test_layers_only.py

$(VENV)-lowest/.lowest: pyproject.toml
	@echo "installing the lowest versions into $(VENV)-lowest: some minutes, up to 3 GB to download on Linux"
	test -x $(VENV)-lowest/bin/python || $(PYTHON) -m venv $(VENV)-lowest
	$(VENV)-lowest/bin/python -m pip install --quiet --disable-pip-version-check uv
	$(VENV)-lowest/bin/uv pip install --quiet --python $(VENV)-lowest/bin/python --resolution lowest-direct $(UV_OPTIONS) \
		--editable . "pytest>=8.2" "pytest-timeout>=2.3"
	touch $@

$(VENV)/.demo: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info; (3, 11) <= v < (3, 15) or sys.exit("Python 3.11 to 3.14 is needed, \
	$(PYTHON) is %d.%d: make PYTHON=python3.12 ..." % v[:2])'
	@echo "installing the program into $(VENV), without a word from pip: some minutes, up to 2.9 GB to download on Linux;"
	@echo "without an NVIDIA GPU 0.3 GB are enough: docs/install.md says how (\"Without a GPU\")"
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(INSTALL) --editable ".[demo]"
	touch $@

$(VENV)/.dev: $(VENV)/.demo
	@echo "installing what the tests need into $(VENV): about a minute, 0.2 GB to download"
	$(INSTALL) --editable ".[dev]"
	touch $@

# Servers, a cluster, a browser and oracles, for the tests that start the real ones.
$(VENV)/.system: $(VENV)/.dev scripts/test_packages.sh
	@echo "installing system packages for the tests, if any is missing: some minutes"
	scripts/test_packages.sh
	$(INSTALL) kenlm || echo "kenlm could not be built (it needs g++ and cmake): the tests that compare with it are skipped" >&2
	touch $@

clean:
	rm -rf $(VENV) $(VENV)-lowest demo .coverage .pytest_cache .mypy_cache .ruff_cache
