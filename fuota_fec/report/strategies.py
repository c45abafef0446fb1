"""Strategies side by side: the same campaigns with other settings, over the same simulated fleets."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, fields, replace
from html import escape
from itertools import product
from statistics import fmean
from typing import Any

from fuota_fec.campaign.config import CampaignConfig
from fuota_fec.campaign.events import SUCCEEDED
from fuota_fec.checks import counted, expected_of, integer, plainly, shown
from fuota_fec.data_frames import data_frame
from fuota_fec.errors import ParameterError
from fuota_fec.report.formatting import duration, percent
from fuota_fec.report.history import read_history
from fuota_fec.report.page import need_extra
from fuota_fec.report.plots import Bar, bar_plot
from fuota_fec.simulation import Simulation, simulate_campaign

N_SEEDS = 10
_CAMPAIGN, _FLEET = ({field.name for field in fields(kind)} for kind in (CampaignConfig, Simulation))
_VARIED = sorted((_CAMPAIGN | _FLEET) - {"id", "seed"})
"""Settings that a grid may have; the campaigns of a comparison share their id, and `seeds` are given beside it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """Outcome of one simulated campaign."""

    seed: int
    status: str
    """SUCCEEDED or FAILED."""
    reason: str
    n_devices: int
    n_passed: int
    duration: float
    """s from the start of the campaign to its last event."""
    air_time: float
    """Time on air of all multicast frames, s."""
    n_frames: int
    """Multicast frames that the network accepted."""
    n_unicast: int
    """Unicast downlinks that the network accepted."""
    energy: float
    """J of a device that took part in all sessions of its group, from the start to the last event; the group and radio
    with the most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Strategy:
    """One combination of settings, and its campaigns."""

    settings: Mapping[str, Any]
    trials: tuple[Trial, ...] = ()
    refused: str = ""
    """Error if the settings are refused, before or at the start; then there are no trials."""

    @property
    def name(self) -> str:
        """Settings as text: "redundancy 5/6, dr 5"."""
        return ", ".join(f"{name} {_text(value)}" for name, value in self.settings.items()) or "as configured"

    @property
    def n_failed(self) -> int:
        """Campaigns that did not succeed."""
        return sum(trial.status != SUCCEEDED for trial in self.trials)

    @property
    def passed(self) -> float:
        """Share of the devices of all its campaigns that passed, 0 … 1."""
        return sum(trial.n_passed for trial in self.trials) / sum(trial.n_devices for trial in self.trials)

    def mean(self, of: str) -> float:
        """Mean of a number of `Trial`, such as "duration"."""
        return fmean(getattr(trial, of) for trial in self.trials)


class Svg(str):
    """Picture as SVG text, shown as a picture in notebooks."""

    __slots__ = ()

    def _repr_svg_(self) -> str:
        return str(self)


_COLUMNS: dict[str, Callable[[Strategy], str]] = {
    "strategy": lambda s: s.name,
    "succeeded": lambda s: f"{len(s.trials) - s.n_failed} of {len(s.trials)}",
    "devices passed": lambda s: percent(s.passed),
    "duration": lambda s: duration(s.mean("duration")),
    "on the air": lambda s: duration(s.mean("air_time")),
    "multicast frames": lambda s: f"{s.mean('n_frames'):.0f}",
    "unicasts": lambda s: f"{s.mean('n_unicast'):.0f}",
    "energy": lambda s: f"{s.mean('energy'):.1f} J",
}


@dataclass(frozen=True, slots=True, repr=False)
class StrategyComparison:
    """Strategies in the order of the grid. Printed as a table of means."""

    strategies: tuple[Strategy, ...]

    def rows(self) -> list[dict[str, str]]:
        """Table of means as text: a row for each strategy that ran."""
        return [{name: cell(s) for name, cell in _COLUMNS.items()} for s in self.strategies if s.trials]

    def to_frame(self) -> Any:
        """A pandas or polars DataFrame with one row per campaign: its settings, and the fields of `Trial`. ImportError
        without either library."""
        columns: dict[str, list[Any]] = {}
        for strategy in self.strategies:
            for trial in strategy.trials:
                values = {field.name: getattr(trial, field.name) for field in fields(Trial)}
                for name, value in {**strategy.settings, **values}.items():
                    columns.setdefault(name, []).append(value)
        return data_frame(columns)

    def plot(self) -> Svg:
        """Bars of the mean time on air; green if all campaigns succeeded. MissingExtraError without extra "report"."""
        need_extra()
        bars = [
            Bar(
                label=s.name,
                value=s.mean("air_time"),
                note=f"{duration(s.mean('air_time'))}, {percent(s.passed)} passed",
                good=not s.n_failed,
            )
            for s in self.strategies
            if s.trials
        ]
        return Svg(bar_plot(bars, title="Time on the air, by strategy", name="strategies"))

    def __str__(self) -> str:
        table = [tuple(_COLUMNS), *(tuple(row.values()) for row in self.rows())]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        lines = [
            "  ".join(
                cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))
            )
            for row in table
        ]
        return "\n".join(
            [*lines, *(f"{s.name}: refused: {_first_line(s.refused)}" for s in self.strategies if s.refused)]
        )

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """Table for notebooks."""
        head = "".join(f"<th>{name}</th>" for name in _COLUMNS)
        body = "".join(
            "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row.values()) + "</tr>" for row in self.rows()
        )
        return f"<table><tr>{head}</tr>{body}</table>"


def compare(
    config: CampaignConfig,
    image: bytes,
    fleet: Simulation,
    *,
    grid: Mapping[str, Sequence[Any]],
    seeds: int | Iterable[int] = N_SEEDS,
    executor: Executor | None = None,
) -> StrategyComparison:
    """Runs the campaign with each combination of settings over the same fleets, one for each seed.

    `grid` has the values to try by the name of a field of CampaignConfig or of Simulation: {"redundancy": ["5/6",
    "adaptive"], "downlink_loss": [0.05, 0.2]}. `seeds` are the seeds, or their number; a seed is one fleet with its
    losses. `executor`: any concurrent.futures.Executor; each campaign is a task.
    Warns of campaigns that failed and of combinations that are refused. ParameterError for unknown names and empty
    grids.
    """
    _check(grid)
    chosen = range(integer("seeds", seeds, 1, 10**6)) if not isinstance(seeds, Iterable) else list(seeds)
    if not chosen:
        raise ParameterError("seeds: there are none, expected a number from 1 or a list of seeds")
    tried = [dict(zip(grid, values, strict=True)) for values in product(*grid.values())]
    tasks = [(settings, seed) for settings in tried for seed in chosen]
    if executor is None:
        outcomes = [_run(config, image, fleet, settings, seed) for settings, seed in tasks]
    else:
        futures = [executor.submit(_run, config, image, fleet, settings, seed) for settings, seed in tasks]
        outcomes = [future.result() for future in futures]
    n = len(chosen)
    found = StrategyComparison(
        tuple(_strategy(settings, outcomes[i * n : (i + 1) * n]) for i, settings in enumerate(tried))
    )
    for strategy in found.strategies:
        if strategy.refused:
            warnings.warn(f"{strategy.name}: refused: {_first_line(strategy.refused)}", RuntimeWarning, stacklevel=2)
        elif strategy.n_failed:
            failed = f"{strategy.n_failed} of {counted(len(strategy.trials), 'campaign')} failed"
            reason = next(trial.reason for trial in strategy.trials if trial.status != SUCCEEDED)
            warnings.warn(f"{strategy.name}: {failed}: {reason}", RuntimeWarning, stacklevel=2)
    return found


def _check(grid: Mapping[str, Sequence[Any]]) -> None:
    for name, values in grid.items():
        if name not in _VARIED:
            expected = expected_of(str(name), _VARIED)
            raise ParameterError(f"grid: {shown(name)} is no setting of CampaignConfig or Simulation, {expected}")
        if isinstance(values, str) or not isinstance(values, Sequence) or not values:
            raise ParameterError(f"grid: {name}: {shown(values)} is not a list of values")


def _run(
    config: CampaignConfig, image: bytes, fleet: Simulation, settings: Mapping[str, Any], seed: int
) -> Trial | ParameterError:
    """Runs one campaign. Its arguments are all it needs, so that an executor may run it anywhere."""
    try:
        config = replace(config, **{name: value for name, value in settings.items() if name in _CAMPAIGN})
        fleet = replace(fleet, **{name: value for name, value in settings.items() if name not in _CAMPAIGN}, seed=seed)
        result = simulate_campaign(config, image, fleet)
    except ParameterError as error:
        return error
    history = read_history(result.journal.events(config.id))
    groups = history.groups
    return Trial(
        seed=seed,
        status=history.status.status,
        reason=history.status.reason,
        n_devices=history.status.n_devices,
        n_passed=sum(device.status == "passed" for device in history.status.devices),
        duration=history.last_at - history.started,
        air_time=sum(group.air_time for group in groups),
        n_frames=sum(group.n_uncoded + group.n_coded + group.n_commands for group in groups),
        n_unicast=history.n_unicast,
        energy=max(energy for group in groups for _, energy in group.energies),
    )


def _strategy(settings: Mapping[str, Any], outcomes: Sequence[Trial | ParameterError]) -> Strategy:
    refused = [str(outcome) for outcome in outcomes if not isinstance(outcome, Trial)]
    if refused:
        return Strategy(settings=settings, refused=refused[0])
    return Strategy(settings=settings, trials=tuple(o for o in outcomes if isinstance(o, Trial)))


def _text(value: Any) -> str:
    return plainly(value) if isinstance(value, str) else shown(value)


def _first_line(text: str) -> str:
    return text.partition("\n")[0]
