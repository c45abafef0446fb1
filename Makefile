# Commands for people and for CI. Every target builds its prerequisites: a virtual environment in .venv with the package.

PYTHON ?= python3
BIN := .venv/bin
# One process per core; a process without tests takes over some of another.
PYTEST := $(BIN)/pytest --numprocesses logical --dist worksteal
SOURCES := pyproject.toml setup.py fuota_fec/_core.pyx fuota_fec/_core.pxd $(wildcard fuota_fec/*.pxi src_c/*.c src_c/*.h)

# The example and the tests need no journal: one of the user's own stays as it is.
unexport FUOTA_FEC_DB

.PHONY: help run test lint bench adaptive sanitize docs clean

help:
	@echo "make run       build, install into .venv, and update 100 simulated devices with a real firmware image"
	@echo "make test      make run, then the whole test suite, on all cores"
	@echo "make lint      ruff and mypy"
	@echo "make bench     benchmarks of codec, campaigns and a large simulated fleet, and a comparison with other codecs: benchmarks/RESULTS.md"
	@echo "make adaptive  compare adaptive redundancy with a fixed rate, 100 seeds: docs/adaptive.md"
	@echo "make docs      generate the pages from the code, and the pictures of the reports"
	@echo "make sanitize  run the core's tests under ASan and UBSan, with its asserts on"
	@echo "make clean     remove everything that was built"

run: .venv/.example
	@echo "== fuota-fec campaign run examples/firmware.toml"
	@$(BIN)/fuota-fec campaign run examples/firmware.toml

test: .venv/.dev run
	@echo "== tests"
	@$(PYTEST)

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
		PYTHONPATH=$(CURDIR)/build/asan $(PYTEST) -p no:cacheprovider tests \
		--ignore tests/c --ignore tests/report --ignore tests/whole/test_crash.py \
		--ignore tests/journal/test_sql.py --ignore tests/journal/test_databases.py \
		--ignore tests/campaign --ignore tests/cli --ignore tests/whole/test_adaptive_table.py \
		--ignore tests/whole/test_every_state.py --ignore tests/whole/test_counting_devices.py \
		--ignore tests/whole/test_reboot_after_transfer.py \
		--ignore tests/planning/test_redundancy.py --ignore tests/planning/test_fragment_size.py \
		--deselect tests/planning/test_selection.py::test_the_whole_table_of_published_rows_holds

clean:
	rm -rf .venv build *.egg-info fuota_fec/_core.c fuota_fec/*.so .pytest_cache .mypy_cache .ruff_cache .hypothesis

.venv/bin/pip:
	@echo "== virtual environment in .venv"
	@$(PYTHON) -m venv .venv

# An editable installation: changed Python sources take effect at once, changed C or Cython sources are rebuilt.
.venv/.example: .venv/bin/pip $(SOURCES)
	@echo "== building and installing into .venv"
	@$(BIN)/pip install --quiet --quiet --disable-pip-version-check --editable '.[example]'
	@touch $@

.venv/.dev: .venv/bin/pip $(SOURCES)
	@echo "== building and installing into .venv, with the tools for development"
	@$(BIN)/pip install --quiet --quiet --disable-pip-version-check --editable '.[dev]'
	@touch .venv/.example $@
