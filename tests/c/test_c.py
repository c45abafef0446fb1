"""Laws of the C core, run as a program: here, with sanitizers, and for other architectures under an emulator."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import pytest

import fuota_fec

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "src_c").glob("*.c"))
WARNINGS = [
    *("-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Wcast-qual", "-Wundef", "-Wvla"),
    *("-Wmissing-prototypes", "-Wstrict-prototypes", "-Wattributes", "-Werror"),
]
SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined", "-fno-omit-frame-pointer"]
COMPILER_NAME = re.compile(r"(?:\w+-linux-gnu-)?(gcc|clang)(?:-\d+)?")

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the guard pages are made with Linux's mmap")


def compilers_found() -> list[str]:
    """Names of all compilers on the PATH, cross compilers included, each program once."""
    by_program: dict[Path, str] = {}
    for folder in map(Path, os.get_exec_path()):
        if folder.is_dir():
            for path in sorted(folder.iterdir(), key=lambda path: (len(path.name), path.name)):
                if COMPILER_NAME.fullmatch(path.name):
                    by_program.setdefault(path.resolve(), path.name)
    return sorted(by_program.values())


def target_of(cc: str) -> str:
    return subprocess.run([cc, "-dumpmachine"], capture_output=True, text=True, check=True).stdout.strip()


def not_installed(what: str) -> NoReturn:
    if os.environ.get("CI"):
        pytest.fail(f"{what} is not installed")
    pytest.skip(f"{what} is not installed")


def compiler(*names: str) -> str:
    for name in names:
        if path := shutil.which(name):
            return path
    not_installed(" or ".join(names))


X86_COMPILERS = [cc for cc in compilers_found() if target_of(cc).startswith("x86_64")]


def compiled(cc: str, *arguments: object) -> str:
    """Standard output of a compiler that must succeed."""
    done = subprocess.run([cc, "-std=c11", *map(str, arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def build(program: Path, cc: str, *flags: str, main: str = "test_kernels.c") -> Path:
    sources = [Path(__file__).parent / main, *SOURCES]
    compiled(cc, "-g", *flags, f"-I{ROOT / 'src_c'}", *sources, "-o", program)
    return program


def run(*command: str) -> list[str]:
    """Names of the kernels for which all laws held."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return [line.removesuffix(": ok") for line in done.stdout.splitlines()]


# ---- compilers -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cc", compilers_found())
def test_core_compiles_without_warnings(cc, tmp_path):
    for source in SOURCES:
        compiled(cc, "-O2", *WARNINGS, "-c", source, "-o", tmp_path / "core.o")
        compiled(cc, *WARNINGS, "-DNDEBUG", "-fsyntax-only", source)


@pytest.mark.parametrize("cc", compilers_found())
def test_core_compiles_as_one_file(cc, tmp_path):
    """Names of functions, types and macros are unique in the whole core."""
    whole = tmp_path / "core.c"
    whole.write_text("".join(f'#include "{source}"\n' for source in SOURCES), encoding="utf-8")
    compiled(cc, *WARNINGS, "-fsyntax-only", whole)


@pytest.mark.parametrize("cc", compilers_found())
def test_compiler_is_in_the_stated_list(cc):
    page = (ROOT / "docs" / "compilers.md").read_text(encoding="utf-8")
    first_versions = {name.lower(): int(version) for name, version in re.findall(r"^\| (\w+) \| (\d+) \|$", page, re.M)}
    family = COMPILER_NAME.fullmatch(cc)[1]
    version = subprocess.run([cc, "-dumpversion"], capture_output=True, text=True, check=True).stdout
    assert int(version.partition(".")[0]) >= first_versions[family]


def test_stated_first_versions_are_those_that_the_core_checks():
    page = (ROOT / "docs" / "compilers.md").read_text(encoding="utf-8")
    header = (ROOT / "src_c" / "internal.h").read_text(encoding="utf-8")
    refused = dict(re.findall(r"#error \"fuota_fec needs (\w+) (\d+) or newer\"", header))
    assert refused == dict(re.findall(r"^\| (\w+) \| (\d+) \|$", page, re.M))


@pytest.mark.parametrize("cc", X86_COMPILERS)
@pytest.mark.parametrize(
    ("source", "function"),
    [("kernel_x86_select.c", "fuota_select_weigh_avx512"), ("kernel_x86_erasure.c", "fuota_losses_draw_avx512")],
)
def test_avx512_functions_use_whole_registers(cc, source, function):
    assembly = compiled(cc, "-O3", "-DNDEBUG", "-S", ROOT / "src_c" / source, "-o", "-")
    body = assembly.partition(f"\n{function}:")[2].partition(f".size\t{function}")[0]
    assert body.count("%zmm") > 100


def test_version_of_the_header_is_that_of_the_package():
    header = (ROOT / "src_c" / "fuota.h").read_text(encoding="utf-8")
    numbers = re.findall(r"#define FUOTA_VERSION_(?:MAJOR|MINOR|PATCH) (\d+)", header)
    assert ".".join(numbers) == fuota_fec.__version__


@pytest.mark.parametrize(("flavour", "asserts"), [("", False), ("debug", True), ("asan", True)])
def test_asserts_are_on_in_debug_builds_alone(flavour, asserts):
    show = (
        "import runpy, setuptools, Cython.Build\n"
        "Cython.Build.cythonize = lambda modules, **_: modules\n"
        "setuptools.setup = lambda ext_modules: print(*ext_modules[0].extra_compile_args)\n"
        "runpy.run_path('setup.py')"
    )
    environment = os.environ | {"FUOTA_FEC_BUILD": flavour}
    done = subprocess.run(
        [sys.executable, "-c", show], capture_output=True, text=True, check=True, cwd=ROOT, env=environment
    )
    flags = done.stdout.split()
    assert ("-UNDEBUG" in flags, "-DNDEBUG" in flags) == (asserts, not asserts)


# ---- laws ------------------------------------------------------------------------------------------------------------


def test_laws_on_this_machine(tmp_path):
    program = build(tmp_path / "laws", compiler("cc", "gcc", "clang"), "-O2")
    assert run(str(program))[-1] == "portable"


@pytest.mark.slow
def test_laws_with_sanitizers(tmp_path):
    program = build(tmp_path / "laws", compiler("gcc", "clang"), "-O1", *SANITIZERS)
    assert "portable" in run(str(program), "quick")


@pytest.mark.slow
def test_laws_without_asserts(tmp_path):
    program = build(tmp_path / "laws", compiler("gcc", "clang"), "-O3", "-DNDEBUG")
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
def test_laws_on_32_bit_x86(tmp_path):
    cc = compiler("i686-linux-gnu-gcc")
    emulator = compiler("qemu-i386", "qemu-i386-static")
    program = build(tmp_path / "laws", cc, "-O2", "-static")
    assert run(emulator, str(program), "quick") == ["portable"]


@pytest.mark.slow
def test_laws_on_a_big_endian_machine(tmp_path):
    cc = compiler("s390x-linux-gnu-gcc")
    emulator = compiler("qemu-s390x", "qemu-s390x-static")
    program = build(tmp_path / "laws", cc, "-O2", "-static")
    assert run(emulator, str(program), "quick") == ["portable"]


@pytest.mark.slow
@pytest.mark.parametrize("cc", X86_COMPILERS[-1:])
def test_laws_of_all_x86_kernels_on_emulated_instructions(cc, tmp_path):
    """SIMDe replaces the intrinsics, so that kernels run whose instructions this CPU lacks."""
    core = shutil.copytree(ROOT / "src_c", tmp_path / "src_c")
    header = core / "kernel_x86.h"
    plain = re.sub(r"__attribute__\(\(target.+\)\)$", "", header.read_text(encoding="utf-8"), flags=re.M)
    header.write_text(plain, encoding="utf-8")
    (core / "cpu.c").write_text(
        '#include "kernels.h"\nuint32_t fuota_cpu_features(void) { return UINT32_MAX; }\n', encoding="utf-8"
    )
    here = Path(__file__).parent
    search = [f"-I{here / 'emulated'}", f"-I{core}"]
    if not any(Path(folder, "simde").is_dir() for folder in ("/usr/include", "/usr/local/include")):
        not_installed("SIMDe")
    program = tmp_path / "laws"
    sources = [here / "test_kernels.c", *sorted(core.glob("*.c"))]
    compiled(cc, "-g", "-O1", "-Wno-psabi", *search, *sources, "-lm", "-o", program)
    assert run(str(program), "quick") == ["avx512_gfni", "avx2_gfni", "avx2", "portable"]


@pytest.mark.slow
def test_fuzzer_finds_nothing(tmp_path):
    """A short run; FUOTA_FEC_FUZZ_SECONDS makes it a long one, FUOTA_FEC_FUZZ_CORPUS keeps its findings."""
    clang = compiler("clang", "clang-14")
    runtime = subprocess.run([clang, "-print-runtime-dir"], capture_output=True, text=True, check=False).stdout.strip()
    if not any(Path(runtime).glob("libclang_rt.fuzzer*")):
        not_installed("libFuzzer, of the runtime libraries of clang,")
    flags = ["-O1", "-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=undefined"]
    program = build(tmp_path / "fuzz_decode", clang, *flags, main="fuzz_decode.c")
    seconds = os.environ.get("FUOTA_FEC_FUZZ_SECONDS", "3")
    corpus = Path(os.environ.get("FUOTA_FEC_FUZZ_CORPUS", tmp_path / "corpus"))
    corpus.mkdir(parents=True, exist_ok=True)
    command = [str(program), f"-max_total_time={seconds}", "-max_len=600", f"-artifact_prefix={corpus}/", str(corpus)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-4000:]
