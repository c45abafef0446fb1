"""`fuota-fec doctor`: features of this installation: CPU features, kernels, extras."""

from __future__ import annotations

import importlib.metadata
import platform
import random
import sys

import click

import fuota_fec
from fuota_fec import _core, _reference
from fuota_fec.cli.clean import say
from fuota_fec.cli.output import json_option, print_json
from fuota_fec.errors import FuotaError
from fuota_fec.wire.dialects import DIALECTS

EXTRAS = {
    "campaign": ("msgspec", "cryptography"),
    "sql": ("SQLAlchemy", "psycopg"),
    "thingpark": ("httpx", "starlette"),
    "chirpstack": ("chirpstack-api", "grpcio", "protobuf", "aiomqtt"),
    "image": ("imgtool", "detools", "heatshrink2", "lz4", "zstandard", "cryptography"),
    "dask": ("distributed",),
    "cli": ("click", "rich"),
    "report": ("matplotlib", "Jinja2"),
    "metrics": ("prometheus-client",),
}
"""Packages of each extra, as named in pyproject.toml."""


@click.command("doctor")
@click.option("--self-test", is_flag=True, help="Compare every kernel with the plain Python reference.")
@json_option
def doctor_command(self_test: bool, as_json: bool) -> None:
    """Show version, CPU features, kernels, the kernel in use and the installed extras."""
    facts: dict[str, object] = {
        "version": fuota_fec.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cpu_features": _core.cpu_features(),
        "kernels": _core.kernels(),
        "kernel": _core.kernel(),
        "extras": {name: all(map(_is_installed, packages)) for name, packages in EXTRAS.items()},
    }
    if self_test:
        facts["self_test"] = {kernel: _self_test(kernel) for kernel in _core.kernels()}
    if as_json:
        print_json(facts)
    else:
        for name, value in facts.items():
            say(f"{name.replace('_', ' '):13}{_line(value)}")
    if self_test and not all(facts["self_test"].values()):  # type: ignore[attr-defined]
        sys.exit(1)


def _line(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {'yes' if ok else 'no'}" for name, ok in value.items())
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return str(value)


def _is_installed(package: str) -> bool:
    try:
        importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _self_test(kernel: str) -> bool:
    """True if a kernel gives the results of the reference in both dialects."""
    rng = random.Random(1)
    sizes = ((1, 1), (2, 7), (33, 64), (64, 51), (130, 242))
    try:
        return all(
            _agrees(kernel, dialect, rng.randbytes(n_frags * frag_size), frag_size, rng)
            for dialect in DIALECTS
            for n_frags, frag_size in sizes
        )
    except FuotaError:
        return False


def _agrees(kernel: str, dialect: str, block: bytes, frag_size: int, rng: random.Random) -> bool:
    """True if encoding, and decoding with a fifth of the fragments lost, equal the reference after every fragment."""
    n_frags = len(block) // frag_size
    coded = fuota_fec.encode(block, frag_size, n_frags + 8, dialect=dialect, kernel=kernel)
    expected = _reference.encode(block, frag_size, n_frags + 8, dialect=dialect)
    if [bytes(row) for row in coded] != expected:
        return False
    decoder = fuota_fec.Decoder(n_frags, frag_size, dialect=dialect, kernel=kernel)
    reference = _reference.Decoder(n_frags, frag_size, dialect=dialect)
    uncoded = [block[i * frag_size : (i + 1) * frag_size] for i in range(n_frags)]
    for frag_nb, payload in enumerate(uncoded + expected, 1):
        if rng.random() < 0.2:
            continue
        state = decoder.push(frag_nb, payload), decoder.complete, decoder.missing, decoder.rank
        if state != (reference.push(frag_nb, payload), reference.complete, reference.missing, reference.rank):
            return False
    return decoder.block() == block
