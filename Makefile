# Commands for people and for CI. Every target builds its prerequisites: a virtual environment in .venv with the package.

PYTHON ?= python3
BIN := .venv/bin
# One process per core; a process without tests takes over some of another.
ON_ALL_CORES := --quiet --numprocesses logical --dist worksteal
PYTEST := $(BIN)/pytest $(ON_ALL_CORES)
SOURCES := pyproject.toml setup.py fuota_fec/_core.pyx fuota_fec/_core.pxd $(wildcard fuota_fec/*.pxi src_c/*.c src_c/*.h)

# The example and the tests need no journal: one of the user's own stays as it is.
unexport FUOTA_FEC_DB

.PHONY: help run test lint bench adaptive sanitize docs dist lowest clean

help:
	@echo "make run       build, install into .venv, and update 100 simulated devices with a real firmware image"
	@echo "make test      make run, then the whole test suite, on all cores"
	@echo "make lint      ruff and mypy"
	@echo "make bench     every benchmark beside its bound, and a comparison with other codecs: benchmarks/RESULTS.md"
	@echo "make adaptive  compare adaptive redundancy with a fixed rate, 100 seeds: docs/adaptive.md"
	@echo "make docs      generate the pages from the code, and the pictures of the reports"
	@echo "make dist      build sdist and wheel in dist/, and run the codec's tests on the wheel, with numpy alone"
	@echo "make lowest    run tests with the oldest versions of the dependencies that are allowed"
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
	@$(BIN)/python benchmarks/run.py

adaptive: .venv/.dev
	@echo "== 800 simulated campaigns with adaptive redundancy and without, a quarter of an hour"
	@$(BIN)/python benchmarks/bench_adaptive.py

docs: .venv/.dev
	@$(BIN)/python docs/generate.py
	@$(BIN)/python docs/pictures.py

# The interpreter is not instrumented: the sanitizers' libraries are loaded before it, and its own leaks are not reported.
# The sanitized build lies beside the ordinary one and is found first; asserts of the core are on in it. Left out are tests/c,
# which builds sanitized programs of its own, tests with a database or a browser, which would load the libraries too, tests
# that do not reach the core (campaigns driven by hand, image files, the command line), and statistics and batches, which repeat
# the same calls.
sanitize: .venv/.dev
	@echo "== sanitizers"
	@rm -rf build/asan && mkdir -p build/asan && cp -r fuota_fec build/asan/ && rm -f build/asan/fuota_fec/*.so
	@FUOTA_FEC_BUILD=asan $(BIN)/python setup.py --quiet build_ext --build-lib build/asan --build-temp build/asan-objects
	@LD_PRELOAD="$$(gcc -print-file-name=libasan.so) $$(gcc -print-file-name=libubsan.so)" ASAN_OPTIONS=detect_leaks=0 \
		PYTHONPATH=$(CURDIR)/build/asan $(PYTEST) -p no:cacheprovider tests \
		--ignore tests/c --ignore tests/report --ignore tests/whole/test_crash.py \
		--ignore tests/journal/test_sql.py --ignore tests/journal/test_databases.py \
		--ignore tests/campaign --ignore tests/cli --ignore tests/image --ignore tests/laws/test_images.py --ignore tests/batch \
		--ignore tests/whole/test_adaptive_table.py \
		--ignore tests/whole/test_every_state.py --ignore tests/whole/test_counting_devices.py \
		--ignore tests/whole/test_reboot_after_transfer.py \
		--ignore tests/planning/test_redundancy.py --ignore tests/planning/test_fragment_size.py \
		--deselect tests/planning/test_selection.py::test_the_whole_table_of_published_rows_holds

# The wheel is made from the sdist. Its tests lie apart from the sources, so that they import what was installed.
dist: .venv/.dev
	@echo "== sdist, and wheel from the sdist"
	@rm -rf dist build/dist && mkdir -p build/dist
	@$(BIN)/python -m build --outdir dist >build/dist/log 2>&1 || (cat build/dist/log; exit 1)
	@echo "== codec tests on the wheel, with numpy alone"
	@$(PYTHON) -m venv build/dist/venv
	@build/dist/venv/bin/pip install --quiet --disable-pip-version-check dist/*.whl pytest pytest-xdist hypothesis
	@cp -r pyproject.toml tests build/dist
	@cd build/dist && venv/bin/pytest $(ON_ALL_CORES) -p no:cacheprovider tests/codec tests/test_core_binding.py

# Extras that need a server or a browser, or are not used yet, are left out. Old versions may use what Python has deprecated since.
lowest: dist
	@echo "== tests with the oldest dependencies"
	@$(PYTHON) -m venv build/lowest
	@$(PYTHON) tests/lowest_versions.py >build/lowest/constraints.txt
	@build/lowest/bin/pip install --quiet --disable-pip-version-check --constraint build/lowest/constraints.txt \
		"$$(ls $(CURDIR)/dist/*.whl)[campaign,sql,image,cli,report]" pytest pytest-xdist hypothesis
	@cd build/dist && ../lowest/bin/pytest $(ON_ALL_CORES) -W ignore::DeprecationWarning -p no:cacheprovider tests/report \
		--ignore tests/report/test_page.py \
		tests/journal/test_sql.py tests/cli/test_integrity.py tests/cli/test_plan.py tests/cli/test_watch.py

clean:
	rm -rf .venv build dist *.egg-info fuota_fec/_core.c fuota_fec/*.so .pytest_cache .mypy_cache .ruff_cache .hypothesis

.venv/bin/pip:
	@echo "== virtual environment in .venv"
	@$(PYTHON) -m venv .venv

# An editable installation: changed Python sources take effect at once, changed C or Cython sources are rebuilt. It adds
# this folder to the path, where editors and type checkers find the package; an import hook would hide it from them.
EDITABLE := install --quiet --quiet --disable-pip-version-check --config-settings editable_mode=compat --editable

.venv/.example: .venv/bin/pip $(SOURCES)
	@echo "== building and installing into .venv"
	@$(BIN)/pip $(EDITABLE) '.[example]'
	@touch $@

# Packages whose images the tests read: an earlier release of the example's, and the programs that esptool loads.
IMAGES := uflash==1.1.0 esptool==5.6.0

build/releases: .venv/bin/pip
	@echo "== images of real firmware, for the tests"
	@rm -rf $@.new
	@$(BIN)/pip install --quiet --quiet --disable-pip-version-check --no-deps --no-compile --target $@.new $(IMAGES)
	@mv $@.new $@

.venv/.dev: .venv/bin/pip $(SOURCES) | build/releases
	@echo "== building and installing into .venv, with the tools for development"
	@$(BIN)/pip $(EDITABLE) '.[dev]'
	@touch .venv/.example $@
