"""Text constants of packages: read without running anything."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import sleep

import pytest
from image_files import DATA, hex_file

from fuota_fec.errors import ParameterError
from fuota_fec.image import ImageSource, constants, load_image


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], Path]:
    """Creates an importable module that writes a file if it is run."""
    folder = tmp_path / "site"
    monkeypatch.syspath_prepend(folder)
    mark = tmp_path / "was run"

    def make(path: str, text: str) -> Path:
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"open({str(mark)!r}, 'w').close()\n{text}\nraise SystemExit('run')\n", encoding="utf-8")
        return mark

    return make


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("IMAGE = 'firm' 'ware'", b"firmware"),
        ("IMAGE = '''\nfirm\nware\n'''", b"\nfirm\nware\n"),
        ("IMAGE = b'\\xff\\x00'", b"\xff\0"),
        ("OTHER = IMAGE = 'x'", b"x"),
        ("IMAGE: str = 'x'", b"x"),
        ("OTHER = IMAGE2 = 'no'\nIMAGE = 'µ'", "µ".encode()),
    ],
)
def test_a_constant_is_read_without_running_its_module(module, text: str, expected: bytes):
    mark = module("throwaway_image.py", text)
    source = ImageSource(package="throwaway_image", name="IMAGE", format="binary")
    assert load_image(source) == expected
    assert not mark.exists()
    assert "throwaway_image" not in sys.modules


@pytest.mark.parametrize("kind", ["auto", "hex"])
def test_a_constant_with_hex_records_is_read(module, kind: str):
    module("throwaway_hex.py", f"IMAGE = {hex_file((DATA, 0, b'second '))!r}")
    source = ImageSource(package="throwaway_hex", name="IMAGE", format=kind, stop=6)  # type: ignore[arg-type]
    assert load_image(source) == b"second"


def test_a_text_constant_without_a_format_is_refused(module):
    module("throwaway_text.py", "IMAGE = 'this is text'")
    with pytest.raises(ParameterError, match=r"^image throwaway_text\.IMAGE: text, expected firmware"):
        load_image(ImageSource(package="throwaway_text", name="IMAGE"))


def test_a_constant_is_read_without_running_the_package_around_its_module(module):
    mark = module("throwaway_package/__init__.py", "IMAGE = 'of the package'")
    module("throwaway_package/data.py", "IMAGE = 'of the module'")
    assert load_image(ImageSource(package="throwaway_package", name="IMAGE", format="binary")) == b"of the package"
    try:
        image = load_image(ImageSource(package="throwaway_package.data", name="IMAGE", format="binary"))
    except SystemExit:
        pytest.fail("the package was run")
    assert image == b"of the module"
    assert not mark.exists()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "image = 'x'",
        "IMAGE = 5",
        "IMAGE = None",
        "IMAGE = ['x']",
        "IMAGE = open('/etc/hostname').read()",
        "IMAGE = {[]: 1}",
        "def f():\n    IMAGE = 'x'",
        "IMAGE = 'x",
        "IMAGE = \0",
    ],
)
def test_a_module_without_the_constant_is_refused(module, text: str):
    mark = module("throwaway_other.py", text)
    with pytest.raises(ParameterError) as info:
        load_image(ImageSource(package="throwaway_other", name="IMAGE"))
    assert "'throwaway_other'" in str(info.value)
    assert not mark.exists()


def test_an_empty_constant_is_refused(module):
    module("throwaway_empty.py", "IMAGE = ''")
    with pytest.raises(ParameterError, match="empty"):
        load_image(ImageSource(package="throwaway_empty", name="IMAGE"))


@pytest.mark.parametrize("package", ["no_such_package_at_all", "no_such_package.at_all", "sys.nothing", ".relative"])
def test_a_package_that_is_not_installed_is_refused(package: str):
    with pytest.raises(ParameterError) as info:
        load_image(ImageSource(package=package, name="IMAGE"))
    assert repr(package) in str(info.value)
    assert "not installed" in str(info.value)


@pytest.mark.parametrize("package", ["sys", "numpy._core._multiarray_umath", "", "__main__"])
def test_a_package_without_a_source_is_refused(package: str):
    """Modules that are built in, compiled or missing give the same message as a module without the constant."""
    with pytest.raises(ParameterError) as info:
        load_image(ImageSource(package=package, name="IMAGE"))
    assert f"package {package!r}" in str(info.value)


def test_one_thread_at_a_time_parses(module, monkeypatch):
    module("throwaway_threads.py", "IMAGE = 'x'")
    parse, running, most = ast.parse, [], []

    def watched(text):
        running.append(text)
        most.append(len(running))
        sleep(0.001)
        running.pop()
        return parse(text)

    monkeypatch.setattr(constants.ast, "parse", watched)
    with ThreadPoolExecutor(4) as threads:
        made = set(threads.map(lambda _: constants.read_constant("throwaway_threads", "IMAGE"), range(12)))
    assert (made, most) == ({b"x"}, [1] * 12)
