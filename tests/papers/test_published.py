"""The data of published figures: every file is read, and what it says is complete."""

from __future__ import annotations

from importlib import resources

import pytest

from fuota_fec.errors import ParameterError
from fuota_fec.papers.figures import FIGURES
from fuota_fec.papers.published import NAMES, Right, Row, Table, others, source


def test_every_file_is_a_source() -> None:
    files = {path.name for path in resources.files("fuota_fec.papers").iterdir() if path.name.endswith(".toml")}
    assert files == {f"{name}.toml" for name in (*NAMES, "others")}


@pytest.mark.parametrize("name", NAMES)
def test_a_source_names_its_place_and_the_functions_of_its_figures(name: str) -> None:
    found = source(name)
    assert found.name == name
    assert found.title
    assert found.authors
    assert found.where
    assert found.link.startswith("https://")
    assert found.method.endswith(".")
    for table in found.tables:
        assert table.figure in FIGURES
        assert table.reason.strip().endswith(".")
        labels = [row.label for row in table.rows]
        assert len(set(labels)) == len(labels) > 0
        assert all(row.unit or table.unit for row in table.rows)
    assert len({table.title for table in found.tables}) == len(found.tables)


def test_the_numbers_of_figures_are_those_of_the_sources() -> None:
    """10 rows of FUOTASim in class C, each with a duration and an energy; 6 durations and 6 energies of the STM32WL."""
    tables = {table.title: table.rows for name in NAMES for table in source(name).tables}
    assert len(tables["Class C, with the frames of the tool"]) == 20
    assert len(tables["Class C, with the frames of LoRaWAN and TS004"]) == 20
    assert len(tables["Measured durations at DR0 and DR1, as planned"]) == 2
    assert len(tables["Measured durations at DR2 to DR5, as planned for whole seconds"]) == 4
    assert len(tables["Measured durations at DR2 to DR5, with a measured spacing"]) == 4
    assert len(tables["Measured energies, with the measured times and the radio sx126x"]) == 6


def test_other_sources_have_a_remark() -> None:
    assert len(others()) >= 3
    assert all(row.link.startswith("https://") and row.remark.strip().endswith(".") for row in others())


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(ParameterError, match="name: 'fuotasin' is not a source, expected one of fuotasim, ts004-annex"):
        source("fuotasin")


@pytest.mark.parametrize(("right", "expected"), [("", 2.0), ("product", None)])
def test_a_difference_needs_a_side_that_is_right(right: Right, expected: float | None) -> None:
    row = Row(label="a", published=1.0, expected=expected)
    with pytest.raises(ParameterError, match=r"right: .* does not fit the rows with expected values"):
        Table(title="t", figure="scheduled", right=right, reason="r.", rows=(row,))
