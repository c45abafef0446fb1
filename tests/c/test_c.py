"""The laws of the C core, run as a program: on this machine, with sanitizers, and for AArch64 under an emulator."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "src_c").glob("*.c"))
WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror"]
SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined", "-fno-omit-frame-pointer"]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the guard pages are made with Linux's mmap")


def compiler(*names: str) -> str:
    for name in names:
        if path := shutil.which(name):
            return path
    missing = f"{' or '.join(names)} is not installed"
    if os.environ.get("CI"):
        pytest.fail(missing)
    pytest.skip(missing)


def build(program: Path, cc: str, *flags: str, main: str = "test_kernels.c") -> Path:
    sources = [Path(__file__).parent / main, *SOURCES]
    command = [cc, "-std=c11", "-g", *flags, f"-I{ROOT / 'src_c'}", *map(str, sources), "-o", str(program)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return program


def run(*command: str) -> list[str]:
    """Names of the kernels for which all laws held."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return [line.removesuffix(": ok") for line in done.stdout.splitlines()]


def test_core_compiles_without_warnings(tmp_path):
    cc = compiler("cc", "gcc", "clang")
    for source in SOURCES:
        command = [cc, "-std=c11", "-O2", *WARNINGS, "-c", str(source), "-o", str(tmp_path / "core.o")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_laws_on_this_machine(tmp_path):
    program = build(tmp_path / "laws", compiler("cc", "gcc", "clang"), "-O2")
    assert run(str(program))[-1] == "portable"


@pytest.mark.slow
def test_laws_with_sanitizers(tmp_path):
    program = build(tmp_path / "laws", compiler("gcc", "clang"), "-O1", *SANITIZERS)
    assert "portable" in run(str(program), "quick")


@pytest.mark.slow
def test_laws_with_the_other_compiler(tmp_path):
    program = build(tmp_path / "laws", compiler("clang", "clang-14"), "-O2")
    assert "portable" in run(str(program), "quick")


@pytest.mark.slow
def test_laws_on_aarch64(tmp_path):
    cc = compiler("aarch64-linux-gnu-gcc")
    emulator = compiler("qemu-aarch64", "qemu-aarch64-static")
    program = build(tmp_path / "laws", cc, "-O2", "-static")
    assert run(emulator, str(program), "quick") == ["neon", "portable"]


@pytest.mark.slow
def test_fuzzer_finds_nothing(tmp_path):
    """A short run; FUOTA_FEC_FUZZ_SECONDS makes it a long one, FUOTA_FEC_FUZZ_CORPUS keeps what it learns."""
    clang = compiler("clang", "clang-14")
    runtime = subprocess.run([clang, "-print-runtime-dir"], capture_output=True, text=True, check=False).stdout.strip()
    if not any(Path(runtime).glob("libclang_rt.fuzzer*")):
        missing = "no libFuzzer: the runtime libraries of clang are not installed"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    flags = ["-O1", "-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=undefined"]
    program = build(tmp_path / "fuzz_decode", clang, *flags, main="fuzz_decode.c")
    seconds = os.environ.get("FUOTA_FEC_FUZZ_SECONDS", "3")
    corpus = Path(os.environ.get("FUOTA_FEC_FUZZ_CORPUS", tmp_path / "corpus"))
    corpus.mkdir(parents=True, exist_ok=True)
    command = [str(program), f"-max_total_time={seconds}", "-max_len=600", f"-artifact_prefix={corpus}/", str(corpus)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-4000:]
