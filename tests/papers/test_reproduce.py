"""Every published figure, and the verdict about it."""

from __future__ import annotations

import pytest

from fuota_fec.errors import ParameterError
from fuota_fec.papers.published import NAMES, Right, Row, Table, source
from fuota_fec.papers.reproduce import cells, outcome_of, reproduce, summary, tolerance_text

FIGURES = [
    pytest.param(table, row, id=f"{name}-{table.title}-{row.label}".replace(" ", "_"))
    for name in NAMES
    for table in source(name).tables
    for row in table.rows
]


@pytest.mark.parametrize(("table", "row"), FIGURES)
def test_a_figure_is_within_its_tolerance(table: Table, row: Row) -> None:
    outcome = outcome_of(table, row)
    assert outcome.verdict == ("agrees" if row.expected is None else f"{table.right} right"), outcome


@pytest.mark.parametrize(("table", "row"), [p for p in FIGURES if p.values[1].expected is not None])
def test_a_difference_is_larger_than_the_tolerance(table: Table, row: Row) -> None:
    """A figure that agrees with the published value as well needs no reason for a difference."""
    outcome = outcome_of(table, row)
    assert abs(outcome.computed.value - row.published) > outcome.tolerance


@pytest.mark.parametrize(
    ("published", "expected", "right", "verdict", "difference"),
    [
        (1257.0, None, "", "agrees", "+0.0 %"),
        (1055.9, None, "", "outside", "+19.1 %"),
        (1055.9, 1257.6, "product", "product right", "+19.1 %"),
        (1055.9, 1257.6, "source", "source right", "+19.1 %"),
        (1055.9, 1300.0, "product", "outside", "+19.1 %"),
        (1400.0, 1257.6, "product", "product right", "-10.2 %"),
    ],
)
def test_verdicts(published: float, expected: float | None, right: Right, verdict: str, difference: str) -> None:
    row = Row(label="a", published=published, expected=expected)
    outcome = outcome_of(
        Table(
            title="t",
            figure="scheduled",
            unit="s",
            tolerance=0.001,
            right=right,
            reason="r.",
            parameters={"quantity": "gaps", "dr": 0, "image_len": 2000, "frag_size": 39},
            rows=(row,),
        ),
        row,
    )
    assert outcome.verdict == verdict
    assert cells(outcome) == (
        "a",
        f"{published:g} s",
        "1257.6 s" if published % 1 else "1258 s",
        difference,
        verdict,
    )


@pytest.mark.parametrize(
    ("published", "verdict", "difference"),
    [(30.0, "outside", "+2.5 %"), (35.0, "agrees", "inside"), (50.0, "outside", "-20.0 %")],
)
def test_a_figure_is_inside_a_range_or_outside(published: float, verdict: str, difference: str) -> None:
    row = Row(label="a", published=published, parameters={"dr": 5, "image_len": 2000, "frag_size": 230})
    outcome = outcome_of(Table(title="t", figure="whole_seconds", unit="s", reason="r.", rows=(row,)), row)
    assert (outcome.verdict, cells(outcome)[2:4]) == (verdict, ("30.74 to 40.00 s", difference))


def test_shares_differ_by_points_and_tolerances_grow_with_the_spread_of_trials() -> None:
    few, many = (
        Row(label="a", published=70, parameters={"n_frags": 30, "dialect": "1.0.0", "n_trials": n}) for n in (50, 5000)
    )
    part = Table(
        title="t",
        figure="coded_alone",
        unit="%",
        margin=2,
        reason="r.",
        parameters={"quantity": "fails with M"},
        rows=(few, many),
    )
    wide, narrow = outcome_of(part, few), outcome_of(part, many)
    assert wide.tolerance > 15 > narrow.tolerance > 2 + 1.5
    assert cells(narrow)[3].endswith(" points")
    assert tolerance_text(part) == "2 points and 3 standard deviations of the trials"


def test_one_source_is_computed_by_its_name() -> None:
    [result] = reproduce(["bpatch"])
    assert result.source.name == "bpatch"
    assert summary(result.outcomes) == "2 figures: 2 agree, 0 differ for a stated reason, 0 outside of the tolerance"
    with pytest.raises(ParameterError, match="is not a source"):
        next(reproduce(["bpatch", "x"]))
