"""Tests mirror the modules: a test file per module, and a module per test file."""

from __future__ import annotations

from pathlib import Path

import fuota_fec

PACKAGE = Path(fuota_fec.__file__).parent
TESTS = Path(__file__).parent

CROSS_CUTTING = {"c", "laws", "whole"}
"""Folders whose tests cut across modules."""

OF_THE_PROJECT = {"test_layering.py", "test_mirror.py", "test_docs.py", "test_exports.py", "test_package.py"}
"""Test files of the project itself: its imports, these files, its documents, its public names, its installation."""

WITHOUT_TESTS = {
    "__main__.py",  # Calls cli.main.
    "_version.py",  # A constant.
    "campaign/messages.py",  # Re-exports inputs, events and facts.
    "devices/behaviour.py",  # Enumerations.
    "devices/completion.py",  # Re-exports status_reading.
    "fleet/packages/package.py",  # A row without behaviour; dispatch uses it.
    "wire/limits.py",  # Constants.
}
"""Modules without a test file: they re-export or call others, or hold data without behaviour."""


def modules() -> set[str]:
    paths = (path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))
    return {path for path in paths if not path.endswith("__init__.py")} | {"_core.pyx"}


def files_of_tests() -> set[str]:
    paths = (path.relative_to(TESTS) for path in TESTS.rglob("test_*.py"))
    return {path.as_posix() for path in paths if path.parts[0] not in CROSS_CUTTING} - OF_THE_PROJECT


def folder_and_stem(path: str) -> tuple[str, str]:
    folder, _, name = path.rpartition("/")
    return folder, name.partition(".")[0].removeprefix("test_").lstrip("_")


def is_test_of(test: str, module: str) -> bool:
    """Whether a test file has the name of a module, perhaps with an aspect of it: test_campaign_stop.py."""
    (test_folder, test_name), (folder, name) = folder_and_stem(test), folder_and_stem(module)
    return test_folder == folder and f"{test_name}_".startswith(f"{name}_")


def test_every_module_has_a_test_file() -> None:
    tests = files_of_tests()
    assert sorted(m for m in modules() - WITHOUT_TESTS if not any(is_test_of(test, m) for test in tests)) == []


def test_every_test_file_has_a_module() -> None:
    packages = {path.parent.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("__init__.py")}
    named = modules() | {f"{package}.py" for package in packages}
    assert sorted(test for test in files_of_tests() if not any(is_test_of(test, name) for name in named)) == []


def test_the_exceptions_exist() -> None:
    assert modules() >= WITHOUT_TESTS
    assert {path.name for path in TESTS.glob("test_*.py")} >= OF_THE_PROJECT
    assert {path.name for path in TESTS.iterdir()} >= CROSS_CUTTING


def test_a_test_file_belongs_to_its_module_only() -> None:
    assert is_test_of("campaign/test_campaign_stop.py", "campaign/campaign.py")
    assert is_test_of("test_core.py", "_core.pyx")
    assert not is_test_of("campaign/test_campaigns.py", "campaign/campaign.py")
    assert not is_test_of("agent/test_campaign.py", "campaign/campaign.py")
