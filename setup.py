"""Declares the extension; all else is in pyproject.toml. FUOTA_FEC_BUILD=debug|asan changes the compiler flags."""

import os
from glob import glob

from Cython.Build import cythonize
from setuptools import Extension, setup

# The interpreter's own flags may define NDEBUG: asserts of the core are off in a release, on in the other builds.
SANITIZERS = ["-fsanitize=address,undefined"]
FLAGS = {
    "": (["-O3", "-g0", "-DNDEBUG"], []),
    "debug": (["-O0", "-g", "-UNDEBUG"], []),
    "asan": (
        ["-O1", "-g", "-UNDEBUG", "-fno-omit-frame-pointer", "-fno-sanitize-recover=undefined", *SANITIZERS],
        SANITIZERS,
    ),
}
compile_flags, link_flags = FLAGS[os.environ.get("FUOTA_FEC_BUILD", "")]

core = Extension(
    "fuota_fec._core",
    sources=["fuota_fec/_core.pyx", *sorted(glob("src_c/*.c"))],
    include_dirs=["src_c"],
    depends=[*sorted(glob("src_c/*.h")), "fuota_fec/_core.pxd", *sorted(glob("fuota_fec/*.pxi"))],
    extra_compile_args=["-std=c11", "-fvisibility=hidden", "-Wall", "-Wextra", *compile_flags],
    extra_link_args=link_flags,
)

setup(ext_modules=cythonize([core], language_level=3))
