"""Images of real firmware, from packages of the package index: two releases of one firmware, and stub programs.

`make .venv/.dev` lays the packages that are not installed into build/releases; they are read, not run.
"""

from __future__ import annotations

import ast
import base64
import json
from functools import cache
from pathlib import Path

import pytest

from fuota_fec.image import ImageSource, load_image, parse_image

FOLDER = Path(__file__).parents[2] / "build" / "releases"
FLASH_END = 0x40000
"""End of the flash of the micro:bit V1; behind it is the configuration of its nRF51."""


@cache
def micropython_2() -> bytes:
    """MicroPython of the micro:bit V1 in uflash 2.0.0."""
    source = ImageSource(
        package="uflash", name="_RUNTIME", format="universal-hex", board="9900", start=0, stop=FLASH_END
    )
    return load_image(source)


@cache
def micropython_1() -> bytes:
    """MicroPython of the micro:bit V1 in uflash 1.1.0."""
    return parse_image(micropython_1_hex().encode(), ImageSource(path="micropython.hex", stop=FLASH_END))


@cache
def micropython_1_hex() -> str:
    """The Intel HEX file of `micropython_1`, for the nRF51 with its configuration words."""
    tree = ast.parse(_path("uflash.py").read_text(encoding="utf-8"))
    constants = {
        target.id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    text = constants["_RUNTIME"]
    assert isinstance(text, str)
    return text


@cache
def esp_stubs() -> dict[str, bytes]:
    """Chip and release → the program that esptool 5.6.0 loads into an ESP chip: "esp32c3/2"."""
    found = {}
    for path in sorted(_path("esptool/targets/stub_flasher").glob("[12]/esp*.json")):
        found[f"{path.stem}/{path.parent.name}"] = base64.b64decode(json.loads(path.read_text())["text"])
    assert len(found) > 10
    return found


def _path(name: str) -> Path:
    path = FOLDER / name
    if not path.exists():
        pytest.fail(f"{path} is missing; `make .venv/.dev` installs it")
    return path
