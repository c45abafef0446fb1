"""Layers: imports go down, never in a circle; pure modules stay pure; `import fuota_fec` needs numpy alone."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

import fuota_fec

ROOT = Path(fuota_fec.__file__).parent

FLOORS = [
    {"_core", "_version", "errors", "buffers", "checks", "config_files", "csv_table", "data_frames", "files"},
    {"codec", "wire", "radio", "_reference"},
    {"planning", "devices", "key_ring"},
    {"campaign"},
    {"journal", "fleet", "image"},
    {"networks"},
    {"agent", "batch"},
    {"operations", "papers", "simulation"},
    {"report", "service"},
    {"cli", "__main__", ""},
]
"""Lowest first. "" is the package itself: its public names come from every floor."""

FLOOR = {name: floor for floor, names in enumerate(FLOORS) for name in names}

PURE = {"codec", "wire", "radio", "planning", "devices", "campaign"}
"""Modules that are functions of their arguments: no clock, no concurrency, nothing outside the process."""

IMPURE = {
    *("asyncio", "socket", "socketserver", "ssl", "selectors", "select"),
    *("threading", "_thread", "multiprocessing", "concurrent", "signal"),
    *("time", "os", "posix", "subprocess", "shutil", "tempfile"),
    *("sqlite3", "dbm", "shelve", "sqlalchemy", "psycopg", "psycopg2", "aiosqlite"),
}

ALLOWED = {("codec.parity", "threading")}
"""Exceptions, for threading.Lock alone: a ParityMatrix that threads share grows under a lock."""


class Import(NamedTuple):
    line: int
    module: str
    name: str | None
    """Name imported from the module; None for the module itself."""


def module_name(path: Path) -> str:
    """Dotted name below the package; "" for the package itself."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted(ROOT.rglob("*.py"))}


def imports_of(module: str) -> Iterator[Import]:
    """Every import of a file: at the top, in a function, for the type checker, by name."""
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
    """Text of a constant, or the text at the start of an f-string."""
    if isinstance(node, ast.JoinedStr) and node.values:
        node = node.values[0]
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def rooms_of(item: Import) -> str | None:
    """Name just below the package that an import leads to; "" for the package itself, None for another library."""
    first, _, rest = item.module.partition(".")
    if first != "fuota_fec":
        return None
    if rest:
        return rest.partition(".")[0]
    return item.name if item.name in FLOOR else ""


def test_every_module_has_a_floor():
    rooms = {module.partition(".")[0] for module in MODULES}
    assert rooms <= FLOOR.keys(), "give these a floor, or move them into a module that has one"


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
def test_a_pure_module_imports_nothing_impure(module):
    impure = [
        f"{MODULES[module].relative_to(ROOT)}:{item.line} imports {item.module}"
        for item in imports_of(module)
        if (first := item.module.partition(".")[0]) in IMPURE and (module, first) not in ALLOWED
    ]
    assert impure == []


@pytest.mark.parametrize(("module", "library"), sorted(ALLOWED))
def test_an_allowed_impure_import_is_a_lock_only(module, library):
    assert [item.name for item in imports_of(module) if item.module == library] in ([None], ["Lock"])
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    uses = [node for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id == library]
    taken = [
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == library
    ]
    assert taken == ["Lock"] * len(uses)


def test_imports_of_finds_every_kind_of_import(tmp_path, monkeypatch):
    """Checks `imports_of` on every way to write an import."""
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


# ---- circles ---------------------------------------------------------------------------------------------


def targets_of(item: Import) -> Iterator[str]:
    """The modules, named below the package, whose files an import reads; none for another library."""
    first, _, module = item.module.partition(".")
    if first == "fuota_fec":
        inner = f"{module}.{item.name}".lstrip(".") if item.name is not None else module
        yield inner if inner in MODULES or inner in FLOOR else module


def circles(graph: Mapping[str, Collection[str]]) -> list[list[str]]:
    """Circles of a graph: for each group of nodes that lead to each other, a shortest one, its first node repeated."""
    found: list[list[str]] = []
    seen: set[str] = set()
    for start in sorted(graph):
        if start not in seen and (circle := shortest_circle(graph, start)) is not None:
            found.append(circle)
            seen |= reached_from(graph, start) & {node for node in graph if start in reached_from(graph, node)}
    return found


def reached_from(graph: Mapping[str, Collection[str]], start: str) -> set[str]:
    """All nodes at the end of a path of one step or more."""
    reached, ahead = set(), [start]
    while ahead:
        new = set(graph.get(ahead.pop(), ())) - reached
        reached |= new
        ahead += new
    return reached


def shortest_circle(graph: Mapping[str, Collection[str]], start: str) -> list[str] | None:
    paths, seen = [[start]], set()
    for path in paths:
        for node in sorted(graph.get(path[-1], ())):
            if node == start:
                return [*path, start]
            if node not in seen:
                seen.add(node)
                paths.append([*path, node])
    return None


def test_no_circle_of_imports():
    """Imports for type checking and inside functions count."""
    graph = {name: {target for item in imports_of(name) for target in targets_of(item)} for name in MODULES}
    graph["wire"].remove("wire")  # The start of an f-string, which names a module in that folder.
    files = {name: str(path.relative_to(ROOT)) for name, path in MODULES.items()}
    found = [" -> ".join(files[name] for name in circle) for circle in circles(graph)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("graph", "expected"),
    [
        ({}, []),
        ({"a": "b", "b": "c", "c": ""}, []),
        ({"a": "bc", "b": "d", "c": "d", "d": ""}, []),
        ({"a": "a"}, ["aa"]),
        ({"a": "b", "b": "a"}, ["aba"]),
        ({"a": "b", "b": "c", "c": "d", "d": "b"}, ["bcdb"]),
        ({"a": "b", "b": "c", "c": "ab", "d": "a"}, ["abca"]),
        ({"a": "b", "b": "a", "c": "d", "d": "c", "e": "ac"}, ["aba", "cdc"]),
        ({"a": "b", "b": "ca", "c": "b"}, ["aba"]),
    ],
    ids=str,
)
def test_the_circle_finder_finds_a_shortest_circle_of_each_group(graph, expected):
    assert ["".join(circle) for circle in circles(graph)] == expected


def test_the_circle_finder_sees_imports_in_functions_and_for_type_checking(tmp_path, monkeypatch):
    texts = {
        "wire.one": "if TYPE_CHECKING:\n    from fuota_fec.wire.two import Two\n",
        "wire.two": "def f():\n    from fuota_fec.wire import one\n",
    }
    for name, text in texts.items():
        path = tmp_path / f"{name}.py"
        path.write_text(text)
        monkeypatch.setitem(MODULES, name, path)
    graph = {name: {target for item in imports_of(name) for target in targets_of(item)} for name in texts}
    assert circles(graph) == [["wire.one", "wire.two", "wire.one"]]


# ---- what an import loads --------------------------------------------------------------------------------

NUMPY_ALONE = """
import sys

class NumpyAlone:
    # Finds only the standard library, numpy and this package.
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
    assert high == [], "modules for campaigns are loaded when they are first used"


def test_importing_the_package_loads_no_extra():
    """The extras are installed here."""
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


DATA_OF_CAMPAIGNS = {
    *("config", "device", "device_list", "event_codec", "events", "facts", "group", "inputs"),
    *("messages", "reasons", "settings", "timers"),
}
"""Modules of `campaign` that neither plan nor decide."""


@pytest.mark.parametrize("port", ["networks.base", "journal.base"])
def test_importing_a_port_loads_no_planner_and_no_campaign_machine(port):
    code = f"import sys, fuota_fec.{port}; print(*sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.removeprefix("fuota_fec.") for name in result.stdout.split() if name.startswith("fuota_fec.")}
    assert port in loaded
    assert [name for name in loaded if name.partition(".")[0] == "planning"] == []
    in_campaign = {name.partition(".")[2] for name in loaded if name.startswith("campaign.")}
    assert in_campaign <= DATA_OF_CAMPAIGNS


# ---- size ----------------------------------------------------------------------------------------------------

MOST_LINES = 450
LONG_FOR_A_REASON = {"wire.fragmentation", "wire.multicast"}
"""One class per command of a package, which belong together."""


@pytest.mark.parametrize("module", sorted(set(MODULES) - LONG_FOR_A_REASON))
def test_a_module_is_one_idea_of_at_most_450_lines(module):
    assert len(MODULES[module].read_text(encoding="utf-8").splitlines()) <= MOST_LINES
