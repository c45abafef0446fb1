"""Prints the lower bounds of pyproject.toml as pip constraints, for `make lowest`."""

from __future__ import annotations

import tomllib
from itertools import chain
from pathlib import Path

PROJECT = Path(__file__).parents[1] / "pyproject.toml"
LEFT_OUT = ("dev", "example", "dask", "thingpark", "chirpstack", "metrics")


def main() -> None:
    project = tomllib.loads(PROJECT.read_text())["project"]
    extras = project["optional-dependencies"]
    required = chain(project["dependencies"], *(extras[name] for name in extras if name not in LEFT_OUT))
    for requirement in required:
        name, has_bound, version = requirement.partition(">=")
        if has_bound:
            print(f"{name.split('[')[0]}=={version}")


if __name__ == "__main__":
    main()
