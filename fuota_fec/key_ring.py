"""KeyRing: the port to secrets. Configurations and journals hold only the names of keys."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from fuota_fec.config_files import read_table
from fuota_fec.errors import ParameterError
from fuota_fec.wire.keys import Key


class KeyRing:
    """Keys by name: root keys of devices, McKeys of groups.

    To take keys from a vault, subclass it, or give any object with the same two methods.
    """

    __slots__ = ("_mc_keys", "_root_keys")

    def __init__(self, *, root_keys: Mapping[str, Key], mc_keys: Mapping[str, Key]) -> None:
        self._root_keys = MappingProxyType(dict(root_keys))
        self._mc_keys = MappingProxyType(dict(mc_keys))

    def __repr__(self) -> str:
        return f"<KeyRing of {len(self._root_keys)} root keys and {len(self._mc_keys)} multicast keys>"

    def root_key(self, name: str) -> Key:
        """A device's GenAppKey (LoRaWAN 1.0.x) or AppKey (1.1). ParameterError if the ring has no such key."""
        return _key(self._root_keys, name, "root key")

    def mc_key(self, name: str) -> Key:
        """A group's McKey. ParameterError if the ring has no such key."""
        return _key(self._mc_keys, name, "multicast key")

    @classmethod
    def load(cls, path: str | Path) -> KeyRing:
        """Reads a .toml or .json file with the tables `root_keys` and `mc_keys`: name = 32 hexadecimal digits."""
        tables = read_table(path)
        unknown = sorted(set(tables) - {"root_keys", "mc_keys"})
        if unknown:
            raise ParameterError(f"{path}: unknown key {unknown[0]!r}, expected root_keys and mc_keys")
        rings = {}
        for kind in ("root_keys", "mc_keys"):
            try:
                rings[kind] = {name: Key.from_hex(text) for name, text in tables.get(kind, {}).items()}
            except (ParameterError, TypeError, AttributeError):
                # The text itself is left out: a mistyped key is still a key.
                raise ParameterError(f"{path}: {kind}: expected names with 32 hexadecimal digits each") from None
        return cls(**rings)


def _key(keys: Mapping[str, Key], name: str, kind: str) -> Key:
    try:
        return keys[name]
    except KeyError:
        raise ParameterError(f"key ring: there is no {kind} named {name!r}") from None
