"""Published figures beside the values of this library: differences, tolerances, verdicts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from fuota_fec.papers.figures import FIGURES, Value
from fuota_fec.papers.published import NAMES, Row, Source, Table, source

Verdict = Literal["agrees", "product right", "source right", "outside"]
"""Agreement; or a difference that the data state, with the side that is right; or a value outside of its tolerance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One published figure beside the value of this library."""

    row: Row
    unit: str
    computed: Value
    tolerance: float
    """Largest allowed distance of the computed value from the wanted one, in the unit of the value."""
    absolute: bool
    """True if the difference is one in the unit of the value, false if it is relative."""
    verdict: Verdict

    @property
    def difference(self) -> float:
        """Computed value less the published one, or its share of the published one; 0 for one inside a range."""
        low, high = self.computed.value, self.computed.high
        nearest = low if high is None else min(max(self.row.published, low), high)
        return (nearest - self.row.published) / (1 if self.absolute else self.row.published)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reproduction:
    """The figures of one source, table by table."""

    source: Source
    tables: tuple[tuple[Table, tuple[Outcome, ...]], ...]

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """Every figure of the source."""
        return tuple(outcome for _, outcomes in self.tables for outcome in outcomes)


def reproduce(names: Iterable[str] = NAMES) -> Iterator[Reproduction]:
    """Computes the figures of these sources, one source after the other. ParameterError for an unknown name."""
    for found in [source(name) for name in names]:
        yield Reproduction(
            source=found,
            tables=tuple((table, tuple(outcome_of(table, row) for row in table.rows)) for table in found.tables),
        )


def outcome_of(table: Table, row: Row) -> Outcome:
    """Computes one figure."""
    computed = FIGURES[table.figure](**{**table.parameters, **row.parameters})
    tolerance = max(table.margin, table.tolerance * abs(row.wanted)) + computed.spread
    high = computed.value if computed.high is None else computed.high
    verdict: Verdict = "agrees"
    if not computed.value - tolerance <= row.wanted <= high + tolerance:
        verdict = "outside"
    elif row.expected is not None:
        verdict = "product right" if table.right == "product" else "source right"
    unit = row.unit or table.unit
    return Outcome(
        row=row,
        unit=unit,
        computed=computed,
        tolerance=tolerance,
        absolute=unit == "%" or table.margin > 0,
        verdict=verdict,
    )


# --- As text ---------------------------------------------------------------------------------------------------------

HEADER = ("figure", "published", "computed", "difference", "verdict")


def cells(outcome: Outcome) -> tuple[str, str, str, str, str]:
    """Texts of a figure in a table, in the order of HEADER."""
    row, computed, unit = outcome.row, outcome.computed, outcome.unit
    published = f"{row.published:g}"
    value = _number(computed.value, published)
    if computed.high is not None:
        value += f" to {_number(computed.high, published)}"
    if computed.high is not None and outcome.difference == 0:
        difference = "inside"
    elif outcome.absolute:
        difference = f"{outcome.difference:+.1f}{' points' if unit == '%' else ''}"
    else:
        difference = f"{100 * outcome.difference:+.1f} %"
    return row.label, f"{published} {unit}", f"{value} {unit}", difference.replace("-0.0", "+0.0"), outcome.verdict


def tolerance_text(table: Table) -> str:
    """Tolerance of a table in words; "" without one."""
    if table.margin:
        unit = "points" if table.unit == "%" else table.unit
        return f"{table.margin:g} {unit} and 3 standard deviations of the trials"
    return f"{100 * table.tolerance:g} %" if table.tolerance else ""


def summary(outcomes: Iterable[Outcome]) -> str:
    """Numbers of figures by verdict."""
    verdicts = [outcome.verdict for outcome in outcomes]
    n_agree, n_outside = verdicts.count("agrees"), verdicts.count("outside")
    return (
        f"{len(verdicts)} figures: {n_agree} agree, {len(verdicts) - n_agree - n_outside} differ for a stated reason, "
        f"{n_outside} outside of the tolerance"
    )


def _number(value: float, published: str) -> str:
    """Number with as many decimals as the published one, and at least four digits."""
    if value == 0:
        return "0"
    decimals = max(len(published.partition(".")[2]), 4 - len(f"{abs(value):.0f}"))
    return f"{value:.{decimals}f}"
