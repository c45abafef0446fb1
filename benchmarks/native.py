"""Peers of the codec in other languages, and a clock in C. Each is built in a folder of the caller's.

LeftOut says why one is not available: no compiler, no network, not installed.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np

SOURCES = Path(__file__).parent / "peers"
Array = np.ndarray


class LeftOut(Exception):
    """A peer is not available on this machine."""


def tool(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise LeftOut(f"{name} is not installed")
    return path


def checked(*command: str, cwd: Path | None = None, env: dict[str, str] | None = None) -> None:
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["the build failed without a message"]
        raise LeftOut(next((line for line in lines if "error" in line), lines[-1]))


def library(build: Path, name: str, *libraries: str) -> ctypes.CDLL:
    """Functions of one of our C files."""
    path = build / f"{name}.so"
    options = ["-O3", "-march=native", "-shared", "-fPIC"]
    checked(tool("gcc"), *options, str(SOURCES / f"{name}.c"), *libraries, "-o", str(path))
    return ctypes.CDLL(str(path))


N_CYCLES = 200_000


def cycles(build: Path) -> Callable[[], object]:
    """A function that takes N_CYCLES clock cycles."""
    function = library(build, "clock").additions
    function.restype = None
    return function


def pointer(array: Array) -> ctypes.c_void_p:
    return array.ctypes.data_as(ctypes.c_void_p)


class Plain:
    """Algorithm of the specification in C, -O3 -march=native."""

    def __init__(self, build: Path) -> None:
        self.lib = library(build, "plain")
        self.lib.plain_rows.restype = ctypes.c_uint64
        self.lib.plain_decode.restype = ctypes.c_uint32

    def rows(self, n_frags: int, dialect: int, n_coded: int) -> None:
        self.lib.plain_rows(n_frags, dialect, n_coded)

    def encode(self, block: Array, n_frags: int, frag_size: int, dialect: int, coded: Array) -> None:
        self.lib.plain_encode(pointer(block), n_frags, frag_size, dialect, len(coded), pointer(coded))

    def decode(self, n_frags: int, frag_size: int, dialect: int, numbers: Array, payloads: Array, block: Array) -> int:
        return int(
            self.lib.plain_decode(
                n_frags, frag_size, dialect, pointer(numbers), pointer(payloads), len(numbers), pointer(block)
            )
        )


class M4ri:
    """Matrix product alone, by mzd_mul of libm4ri."""

    def __init__(self, build: Path) -> None:
        self.lib = library(build, "m4ri", "-lm4ri")
        self.lib.m4ri_product.restype = ctypes.c_double
        self.lib.m4ri_product.argtypes = [
            *[ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t],
            *[ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p, ctypes.c_int],
        ]

    def product(self, rows: Array, block: Array, coded: Array, rounds: int) -> float:
        n_rows, n_frags = rows.shape
        return float(
            self.lib.m4ri_product(
                pointer(rows), n_rows, n_frags, pointer(block), coded.shape[1], pointer(coded), rounds
            )
        )


class Program:
    """Peer in another language: reads the block, writes the coded fragments and its best time."""

    def __init__(self, path: Path, dialects: tuple[int, ...], with_dialect: bool) -> None:
        self.path, self.dialects, self.with_dialect = path, dialects, with_dialect

    def encode(self, block: Array, frag_size: int, dialect: int, n_coded: int, rounds: int) -> tuple[float, bytes]:
        numbers = [*([dialect] if self.with_dialect else []), frag_size, n_coded, rounds]
        done = subprocess.run([self.path, *map(str, numbers)], input=block.tobytes(), capture_output=True, check=True)
        return int(done.stderr) * 1e-9, done.stdout


def go(build: Path) -> Program:
    """brocaar/lorawan, in Go: dialect 1.0.0."""
    checked(tool("go"), "build", "-o", str(build / "go_peer"), ".", cwd=SOURCES / "go")
    return Program(build / "go_peer", (1,), False)


def rust(build: Path) -> Program:
    """ChirpStack's lrwn, in Rust: both dialects."""
    env = dict(os.environ, CARGO_TARGET_DIR=str(build / "rust"))
    checked(tool("cargo"), "build", "--release", "--locked", cwd=SOURCES / "rust", env=env)
    return Program(build / "rust" / "release" / "peer", (1, 2), True)
