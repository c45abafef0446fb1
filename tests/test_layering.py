"""The floors of the house: an import never goes up, the pure stays pure, and `import fuota_fec` needs numpy alone."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import fuota_fec

ROOT = Path(fuota_fec.__file__).parent

FLOORS = [
    {"_core", "_reference", "errors", "buffers", "checks", "config_files"},
    {"codec", "wire", "radio"},
    {"planning", "devices", "key_ring"},
    {"campaign"},
    {"journal", "fleet", "image"},
    {"networks"},
    {"downlinks"},
    {"agent", "batch"},
    {"operations", "simulation"},
    {"report", "service"},
    {"cli", "__main__", ""},
]
"""Lowest first. "" is the package itself, whose public names come from everywhere."""

FLOOR = {name: floor for floor, names in enumerate(FLOORS) for name in names}

PURE = {"codec", "wire", "radio", "planning", "devices", "campaign"}
"""Functions of their arguments: no clock, no concurrency, nothing outside the process."""

IMPURE = {
    *("asyncio", "socket", "socketserver", "ssl", "selectors", "select"),
    *("threading", "_thread", "multiprocessing", "concurrent", "signal"),
    *("time", "os", "posix", "subprocess", "shutil", "tempfile"),
    *("sqlite3", "dbm", "shelve", "sqlalchemy", "psycopg", "psycopg2", "aiosqlite"),
}

ALLOWED = {("codec.parity", "threading")}
"""A ParityMatrix that threads share grows under a lock. It may take threading.Lock from there, and that alone."""


class Import(NamedTuple):
    line: int
    module: str
    name: str | None
    """What is taken from the module; None if the module itself is."""


def module_name(path: Path) -> str:
    """Dotted name below the package; "" for the package itself."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted(ROOT.rglob("*.py"))}


def imports_of(module: str) -> Iterator[Import]:
    """Every import of a file, wherever it stands: at the top, in a function, for the type checker, by name."""
    path = MODULES[module]
    package = ["fuota_fec", *filter(None, module.split("."))]
    if path.name != "__init__.py":
        package.pop()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (Import(node.lineno, alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = package[: len(package) - node.level + 1] if node.level else []
            origin += [node.module] if node.module else []
            yield from (Import(node.lineno, ".".join(origin), alias.name) for alias in node.names)
        elif isinstance(node, ast.Call) and node.args and called(node) in {"import_module", "__import__"}:
            name = leading_text(node.args[0])
            if name:
                yield Import(node.lineno, name.rstrip("."), None)


def called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def leading_text(node: ast.expr) -> str:
    """The text of a constant, or what an f-string begins with."""
    if isinstance(node, ast.JoinedStr) and node.values:
        node = node.values[0]
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def rooms_of(item: Import) -> str | None:
    """The name just below the package that an import leads to; "" for the package itself, None for another library."""
    first, _, rest = item.module.partition(".")
    if first != "fuota_fec":
        return None
    if rest:
        return rest.partition(".")[0]
    return item.name if item.name in FLOOR else ""


def test_every_module_has_a_floor():
    rooms = {module.partition(".")[0] for module in MODULES}
    assert rooms <= FLOOR.keys(), "give these a floor, or a place in a module that has one"


@pytest.mark.parametrize("module", [module for module in MODULES if module])
def test_an_import_never_goes_up(module):
    floor = FLOOR.get(module.partition(".")[0], 0)
    upward = [
        f"{MODULES[module].relative_to(ROOT)}:{item.line} imports {'fuota_fec.' + room if room else 'fuota_fec'}"
        for item in imports_of(module)
        if (room := rooms_of(item)) is not None and FLOOR.get(room, 0) > floor
    ]
    assert upward == []


@pytest.mark.parametrize("module", [module for module in MODULES if module.partition(".")[0] in PURE])
def test_what_is_pure_stays_pure(module):
    impure = [
        f"{MODULES[module].relative_to(ROOT)}:{item.line} imports {item.module}"
        for item in imports_of(module)
        if (first := item.module.partition(".")[0]) in IMPURE and (module, first) not in ALLOWED
    ]
    assert impure == []


@pytest.mark.parametrize(("module", "library"), sorted(ALLOWED))
def test_the_exception_is_a_lock_and_no_more(module, library):
    assert [item.name for item in imports_of(module) if item.module == library] in ([None], ["Lock"])
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    uses = [node for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id == library]
    taken = [
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == library
    ]
    assert taken == ["Lock"] * len(uses)


def test_the_reader_of_imports_reads_them_all(tmp_path, monkeypatch):
    """This file's own tool, on every way to write an import."""
    path = tmp_path / "wire" / "new.py"
    path.parent.mkdir()
    path.write_text(
        "import os.path, fuota_fec.agent as a\n"
        "from fuota_fec import cli, encode\n"
        "from . import keys\n"
        "from .keys import x\n"
        "from .. import journal\n"
        "from ..campaign.machine import Campaign\n"
        "def f():\n"
        "    from fuota_fec.report import page\n"
        "    importlib.import_module('fuota_fec.networks')\n"
        "    import_module(f'fuota_fec.fleet.{name}')\n"
    )
    monkeypatch.setitem(MODULES, "wire.new", path)
    found = [(rooms_of(item), item.module, item.name) for item in imports_of("wire.new")]
    assert sorted(found, key=str) == sorted(
        [
            (None, "os.path", None),
            ("agent", "fuota_fec.agent", None),
            ("cli", "fuota_fec", "cli"),
            ("", "fuota_fec", "encode"),
            ("wire", "fuota_fec.wire", "keys"),
            ("wire", "fuota_fec.wire.keys", "x"),
            ("journal", "fuota_fec", "journal"),
            ("campaign", "fuota_fec.campaign.machine", "Campaign"),
            ("report", "fuota_fec.report", "page"),
            ("networks", "fuota_fec.networks", None),
            ("fleet", "fuota_fec.fleet", None),
        ],
        key=str,
    )


# ---- what is needed ------------------------------------------------------------------------------------------

NUMPY_ALONE = """
import sys

class NumpyAlone:
    # Whatever is neither of the standard library, numpy nor ours cannot be found.
    def find_spec(self, name, path=None, target=None):
        first = name.partition(".")[0]
        if first in sys.stdlib_module_names or first in ("numpy", "fuota_fec") or first.startswith("_"):
            return None
        raise ModuleNotFoundError(f"not to be imported: {name}", name=name)

before = set(sys.modules)
sys.meta_path.insert(0, NumpyAlone())
import fuota_fec as ff

block = bytes(range(60))
assert ff.decode(10, 6, range(1, 11), block) == block
image = ff.prepare(block, 7, code_rate="5/6")
image.setup_request(mc_group_bit_mask=1, block_ack_delay=0).encode()
ff.wire.fragmentation.decode(bytes(image.frame(1)), uplink=False)
loaded = {name.partition(".")[0] for name in set(sys.modules) - before}
print(*sorted(loaded - sys.stdlib_module_names))
print(*sorted(name for name in sys.modules if name.startswith("fuota_fec.")))
"""


def test_the_codec_needs_numpy_alone():
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", NUMPY_ALONE], capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stderr) == (0, "")
    libraries, ours = (line.split() for line in result.stdout.splitlines())
    assert {name for name in libraries if not name.startswith("_")} - {"cython_runtime"} == {"fuota_fec", "numpy"}
    high = [name for name in ours if FLOOR.get(name.split(".")[1], 0) > FLOOR["codec"]]
    assert high == [], "what belongs to campaigns is loaded when it is first used"


def test_importing_loads_no_extra():
    """Also where they are installed."""
    code = "import sys, fuota_fec; print(*sys.modules, sep='\\n')"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in result.stdout.split()}
    extras = {
        *("msgspec", "cryptography", "sqlalchemy", "psycopg", "httpx", "starlette", "grpc", "google", "aiomqtt"),
        *("bincopy", "imgtool", "detools", "distributed", "dask", "click", "rich", "matplotlib", "jinja2"),
        *("prometheus_client", "typing_extensions", "asyncio", "sqlite3"),
    }
    assert loaded & extras == set()
    assert "numpy" in loaded
