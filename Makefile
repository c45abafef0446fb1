# What a person types. Every target makes what it needs: a virtual environment in .venv, the built package in it.

PYTHON ?= python3
BIN := .venv/bin
SOURCES := pyproject.toml setup.py fuota_fec/_core.pyx fuota_fec/_core.pxd $(wildcard src_c/*.c src_c/*.h)

.PHONY: help run test lint bench adaptive sanitize docs clean

help:
	@echo "make run    build, install into .venv, and update 100 simulated devices with a real firmware image"
	@echo "make test   the same, then the whole test suite"
	@echo "make lint   ruff and mypy"
	@echo "make bench  benchmarks of codec, campaigns and a large simulated fleet, and other people's codecs beside ours: benchmarks/RESULTS.md"
	@echo "make adaptive  adaptive redundancy beside a fixed rate, 100 seeds: docs/adaptive.md"
	@echo "make docs   what the documentation takes from the code, and pictures of the reports"
	@echo "make sanitize  run the tests of the core under ASan and UBSan, with its asserts on"
	@echo "make clean  remove everything that was built"

run: .venv/.example
	@echo "== fuota-fec campaign run examples/firmware.toml"
	@$(BIN)/fuota-fec campaign run examples/firmware.toml

test: .venv/.dev run
	@echo "== tests"
	@$(BIN)/pytest

lint: .venv/.dev
	@echo "== lint"
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

bench: .venv/.dev
	@echo "== benchmarks"
	@$(BIN)/pytest benchmarks -o python_files='bench_*.py' --benchmark-only --benchmark-columns=min,median,rounds --benchmark-sort=name
	@$(BIN)/python benchmarks/bench_campaign.py
	@$(BIN)/python benchmarks/bench_fleet.py
	@$(BIN)/python benchmarks/peers/run.py

adaptive: .venv/.dev
	@echo "== 800 simulated campaigns with adaptive redundancy and without, a quarter of an hour"
	@$(BIN)/python benchmarks/bench_adaptive.py

docs: .venv/.dev
	@$(BIN)/python docs/generate.py
	@$(BIN)/python docs/pictures.py

# The interpreter is not instrumented: the sanitizers' libraries are loaded before it, and its own leaks are not reported.
# The sanitized build lies beside the ordinary one and is found first; asserts of the core are on in it. Left out are tests/c,
# which builds sanitized programs of its own, tests with a database or a browser, which would load the libraries too, tests
# that do not reach the core (campaigns driven by hand, the command line), and statistics, which repeat the same calls.
sanitize: .venv/.dev
	@echo "== sanitizers"
	@rm -rf build/asan && mkdir -p build/asan && cp -r fuota_fec build/asan/ && rm -f build/asan/fuota_fec/*.so
	@FUOTA_FEC_BUILD=asan $(BIN)/python setup.py --quiet build_ext --build-lib build/asan --build-temp build/asan-objects
	@LD_PRELOAD="$$(gcc -print-file-name=libasan.so) $$(gcc -print-file-name=libubsan.so)" ASAN_OPTIONS=detect_leaks=0 \
		PYTHONPATH=$(CURDIR)/build/asan $(BIN)/pytest -p no:cacheprovider tests \
		--ignore tests/c --ignore tests/test_crash.py --ignore tests/test_sql.py --ignore tests/report \
		--ignore tests/campaign --ignore tests/cli --ignore tests/test_adaptive_table.py \
		--ignore tests/planning/test_redundancy.py --ignore tests/planning/test_transmission.py \
		--deselect tests/planning/test_selection.py::test_the_whole_table

clean:
	rm -rf .venv build *.egg-info fuota_fec/_core.c fuota_fec/*.so .pytest_cache .mypy_cache .ruff_cache .hypothesis

.venv/bin/pip:
	@echo "== virtual environment in .venv"
	@$(PYTHON) -m venv .venv

# Editable, so that Python sources take effect at once; a changed C or Cython source builds again.
.venv/.example: .venv/bin/pip $(SOURCES)
	@echo "== building and installing into .venv"
	@$(BIN)/pip install --quiet --quiet --disable-pip-version-check --editable '.[example]'
	@touch $@

.venv/.dev: .venv/bin/pip $(SOURCES)
	@echo "== building and installing into .venv, with the tools for development"
	@$(BIN)/pip install --quiet --quiet --disable-pip-version-check --editable '.[dev]'
	@touch .venv/.example $@
