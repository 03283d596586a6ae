# make demo   set up everything needed and run the main job on the embedded data
# make test   set up and run the tests
# make lint   style and types
# make docs   build the documentation; open build/docs/index.html
# make bench  measure beside the peers; writes benchmarks/results/

PYTHON ?= python3
BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: demo test lint docs bench clean

demo: .venv/learn
	$(BIN)/faltung learn

test: .venv/dev
	$(BIN)/python tools/run_tests.py

lint: .venv/dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

# A warning is an error: a link that leads nowhere, an example that fails, a public name that cannot be shown.
docs: .venv/docs
	$(BIN)/python docs/extensions/capability_table.py build/docs-source/capabilities.rst
	$(BIN)/python -m sphinx --quiet --fail-on-warning --keep-going --jobs 2 -c docs -d build/docs-parsed build/docs-source build/docs
	$(BIN)/python docs/extensions/link_check.py build/docs

bench: .venv/bench
	$(BIN)/python benchmarks/grid.py
	$(BIN)/python benchmarks/regret.py
	$(BIN)/python benchmarks/start.py
	$(BIN)/python benchmarks/fit.py
	$(BIN)/python benchmarks/layers.py
	$(BIN)/python benchmarks/networks.py
	$(BIN)/python benchmarks/compat.py --write
	$(BIN)/python benchmarks/compat_signal.py --write
	$(BIN)/python benchmarks/compat_vision.py --write
	$(BIN)/python benchmarks/streams.py

# Bytecode is made at once, so that not every start compiles the sources again.
.venv/%: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(INSTALL) --editable ".[$*]"
	$(BIN)/python -m compileall -q src
	touch $@

clean:
	rm -rf .venv build dist runs
