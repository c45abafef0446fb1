"""Text constants of installed packages, read from the source without running it."""

from __future__ import annotations

import ast
import importlib.util
from importlib.machinery import ModuleSpec, PathFinder
from threading import Lock

from fuota_fec.checks import shown
from fuota_fec.errors import ParameterError

_PARSING = Lock()
"""One thread parses: the threads of CPython 3.11 share the depth that it counts, and now and then one gets an error."""


def read_constant(package: str, name: str) -> bytes:
    """Text constant of a module: the last assignment of that name. ParameterError if there is none."""
    spec = _find(package)
    if spec is None:
        raise ParameterError(f"image: package {shown(package)} is not installed{_advice(package)}")
    try:
        # Not every loader has get_source, and not every module has a source.
        text = getattr(spec.loader, "get_source", lambda _name: None)(spec.name)
        with _PARSING:
            tree = ast.parse(text or "")
        for node in reversed(tree.body):
            if isinstance(node, (ast.Assign, ast.AnnAssign)) and name in _names(node):
                value = node.value.value if isinstance(node.value, ast.Constant) else None
                if isinstance(value, (str, bytes)):
                    return value.encode() if isinstance(value, str) else value
                break
    except (ImportError, SyntaxError, ValueError, RecursionError, MemoryError):
        pass  # A source that Python cannot read has no constant.
    raise ParameterError(f"image: package {shown(package)} has no text constant {shown(name)}")


def _advice(package: str) -> str:
    return f", expected it from pip install {package}" if package.isidentifier() else ", expected the name of one"


def _names(node: ast.Assign | ast.AnnAssign) -> set[str]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return {target.id for target in targets if isinstance(target, ast.Name)}


def _find(module: str) -> ModuleSpec | None:
    """Spec of a module, without importing anything: importlib.util.find_spec would run the parent packages."""
    first, *rest = module.split(".")
    if not all(map(str.isidentifier, (first, *rest))):
        return None
    try:
        spec = importlib.util.find_spec(first)
    except (ImportError, ValueError):
        return None
    for name in rest:
        if spec is None or spec.submodule_search_locations is None:
            return None
        spec = PathFinder.find_spec(name, spec.submodule_search_locations)
    return spec
