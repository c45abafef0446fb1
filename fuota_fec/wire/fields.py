"""Fields of commands: what goes on the air, and classes whose values are checked once.

`checked_fields` makes a frozen dataclass of a class. Its `__init__` checks every value, in the order of the fields, and
calls `__post_init__` for what several fields must have in common. `_known` checks nothing: it is for values that are in
range by construction, such as bits of a payload. Both are written out for each class, as a loop over the fields
would take longer than the checks.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import MISSING, dataclass, field, fields
from typing import TYPE_CHECKING, Any, NamedTuple, Self, TypeVar, cast, dataclass_transform

from fuota_fec.checks import shown
from fuota_fec.errors import ParameterError

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["U32_MAX", "FieldError", "Fields", "Kind", "checked_fields", "integer", "kind", "octets"]

U32_MAX = 0xFFFFFFFF

T = TypeVar("T")

_SETTERS = ("__setattr__", "__delattr__")


class FieldError(ParameterError):
    """The value of a command's field, or of an argument, cannot go on the air. `field` is the name of either."""

    def __init__(self, message: str, *, field: str) -> None:
        super().__init__(message)
        self.field = field


class Fields:
    """Base of the classes that `checked_fields` makes."""

    __slots__ = ()

    @classmethod
    def _known(cls, **values: Any) -> Self:
        """Instance with these values, which are not checked."""
        raise NotImplementedError


class Kind(NamedTuple):
    """Kind of a field: an expression that is true of most values in range, and the full check of the others."""

    test: str
    check: Callable[[object, str], None]


def kind(of: Kind, *, default: Any = MISSING) -> Any:
    """A field of this kind."""
    return field(default=default, metadata={"kind": of})


def integer(low: int, high: int, *, default: Any = MISSING) -> Any:
    """A field that is an integer from low to high."""
    test = f"type({{0}}) is int and {low} <= {{0}} <= {high}"
    return kind(Kind(test, lambda of, name: check_integer(of, name, low, high)), default=default)


def octets(least: int, most: int, *, default: Any = MISSING) -> Any:
    """A field that is a buffer of least to most bytes."""
    test = f"type({{0}}) is bytes and {least} <= len({{0}}) <= {most}"
    return kind(Kind(test, lambda of, name: check_octets(of, name, least, most)), default=default)


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(kind, integer, octets))
def checked_fields(cls: type[T]) -> type[T]:
    """Frozen dataclass with slots and keywords only. Checked are fields of a kind, and those of type bool."""
    made: Any = dataclass(frozen=True, slots=True, kw_only=True, init=False)(cls)
    kinds = {f.name: f.metadata.get("kind", _FLAG if f.type == "bool" else None) for f in fields(made)}
    checks = [(kind.check, name) for name, kind in kinds.items() if kind is not None]

    def check(self: object) -> None:
        for check, name in checks:
            check(self, name)

    # A subclass of the same layout, which is not frozen: filling it and changing its class is the fastest way.
    open_ = type(made.__name__, (made,), {"__slots__": (), **{name: getattr(object, name) for name in _SETTERS}})
    namespace = {"check": check, "made": made, "new": object.__new__, "open_": open_}
    for f in fields(made):
        namespace |= {f"set_{f.name}": getattr(made, f.name).__set__, f"default_{f.name}": f.default}
    parameters = [f.name if f.default is MISSING else f"{f.name}=default_{f.name}" for f in fields(made)]
    keywords = ", ".join(["", "*", *parameters] if parameters else [])
    tests = " and ".join(kind.test.format(name) for name, kind in kinds.items() if kind is not None)
    functions = [
        f"def __init__(self{keywords}):",
        *(f"    set_{name}(self, {name})" for name in kinds),
        f"    if not ({tests or True}):",
        "        check(self)",
        "    self.__post_init__()" if hasattr(made, "__post_init__") else "",
        f"def _known(cls{keywords}):",
        "    if cls is not made:",
        f"        return cls({', '.join(f'{name}={name}' for name in kinds)})",
        "    self = new(open_)",
        *(f"    self.{name} = {name}" for name in kinds),
        "    self.__class__ = made",
        "    return self",
    ]
    exec("\n".join(functions), namespace)
    for name in ("__init__", "_known"):
        namespace[name].__qualname__ = f"{made.__qualname__}.{name}"
        namespace[name].__annotations__ |= {f.name: f.type for f in fields(made)}
    namespace["__init__"].__annotations__["return"] = None
    made.__init__, made._known = namespace["__init__"], classmethod(namespace["_known"])
    return cast("type[T]", made)


def check_integer(command: object, field: str, low: int, high: int) -> None:
    """Refuses a field that is not an integer from low to high. Replaces an integer of another type by an int."""
    value = getattr(command, field)
    if type(value) is not int:
        try:
            value = int(operator.index(value))
        except TypeError:
            raise refused_field(command, field, f"an integer from {low} to {high}") from None
        object.__setattr__(command, field, value)
    if not low <= value <= high:
        raise refused_field(command, field, f"an integer from {low} to {high}")


def check_flag(command: object, field: str) -> None:
    """Refuses a field that is not a bool. Replaces 0 and 1 by False and True."""
    value = getattr(command, field)
    if type(value) is not bool:
        if value not in (0, 1):
            raise refused_field(command, field, "a bool")
        object.__setattr__(command, field, bool(value))


def check_octets(command: object, field: str, least: int, most: int) -> None:
    """Refuses a field that is not a buffer of least to most bytes. Replaces another kind of buffer by bytes."""
    value = getattr(command, field)
    expected = f"{least} bytes" if least == most else f"{least} to {most} bytes"
    if type(value) is not bytes:
        try:
            value = octets_of(value, field)
        except FieldError:
            raise refused_field(command, field, expected) from None
        object.__setattr__(command, field, value)
    if not least <= len(value) <= most:
        raise refused_field(command, field, expected, text=f"a length of {len(value)}")


_FLAG = Kind("type({0}) is bool", check_flag)


def octets_of(value: Buffer, field: str) -> bytes:
    """Bytes of any buffer. FieldError for another type; its message names `field` and the type, never the value."""
    return value if type(value) is bytes else _buffer(lambda: memoryview(value).tobytes(), value, field)


def view_of(value: Buffer, field: str) -> memoryview:
    """Bytes of a C-contiguous buffer, not copied. FieldError as in `octets_of`."""
    return _buffer(lambda: memoryview(value).cast("B"), value, field)


def _buffer(take: Callable[[], T], value: object, field: str) -> T:
    try:
        return take()
    except (TypeError, ValueError, BufferError):  # no buffer, a released one, one that is not contiguous
        kind = f"a value of type {type(value).__name__}"
        raise refused(field, kind, "bytes or another C-contiguous buffer") from None


def refused(name: str, text: str, expected: str, *, what: str = "allowed", field: str | None = None) -> FieldError:
    """FieldError for `text`, a value as it may be shown; `name` is also the error's `field` unless that is given."""
    return FieldError(f"{name}: {text} is not {what}, expected {expected}", field=name if field is None else field)


def refused_field(
    command: object, field: str, expected: str, *, what: str = "allowed", text: str | None = None
) -> FieldError:
    """FieldError for a field of a command. The message shows the field's value, or `text` instead of it."""
    value = shown(getattr(command, field)) if text is None else text
    return refused(f"{type(command).__name__}.{field}", value, expected, what=what, field=field)
