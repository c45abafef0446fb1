"""Generates documentation from the code: states and stages of a campaign from their tables, parameters from the config.

python docs/generate.py          writes docs/campaign-states.md and docs/parameters.md
python docs/generate.py --check  exits with 1 if one of these files is out of date
"""

from __future__ import annotations

import ast
import inspect
import json
import re
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import MISSING, Field, fields
from itertools import pairwise
from pathlib import Path
from typing import Any

from fuota_fec.campaign.campaign import Campaign
from fuota_fec.campaign.config import CampaignConfig, Device, Group, Ports
from fuota_fec.campaign.messages import EVENTS
from fuota_fec.campaign.reasons import REASONS
from fuota_fec.campaign.sessions import (
    FRAG_SESSION_STATUS,
    UNICAST_REPAIR,
    after_repair,
    after_status,
    after_verification,
    another_round,
    another_session,
)
from fuota_fec.campaign.stages import STAGES, Stage, planned_stages
from fuota_fec.campaign.status import TRANSITIONS
from fuota_fec.image import ImageSource
from fuota_fec.simulation import Simulation

DOCS = Path(__file__).parent

HEAD = """\
# The states of a campaign

Generated from the tables by `make docs`: `fuota_fec/campaign/stages.py`, `messages.py` and `reasons.py`.
"""

KINDS = {
    "multicast": ("Multicast setup", {}),
    "binary": ("Binary transfer, with coded fragments", {}),
    "binary without FEC": ("Binary transfer, without coded fragments", {"redundancy": 0}),
    "firmware": ("Firmware update, with coded fragments", {}),
    "firmware without FEC": (
        "Firmware update with a reboot time, without coded fragments, package versions asked for",
        {"redundancy": 0, "reboot": 2e9, "probe": True},
    ),
    "firmware adaptive": (
        "Firmware update with adaptive redundancy and unicast repair, reboot after the transfer",
        {"redundancy": "adaptive", "reboot": "after_transfer", "repair": 3},
    ),
}


def campaign_of(
    kind: str, *, redundancy: int | str = 2, reboot: float | str = "device", probe: bool = False, repair: int = 0
) -> Campaign:
    config = CampaignConfig(
        id="docs",
        kind=kind.partition(" ")[0],  # type: ignore[arg-type]
        success_threshold=90,
        max_duration=86400,
        uplink_period=300,
        fw_version=2,
        redundancy=redundancy,
        fsize=10,
        reboot=reboot,
        unicast_repair_max=repair,
        groups=(Group(name="g", mc_addr="01f3a4b5", dr=5),),
        devices=(Device(dev_eui="fe5eed0000000000", group="g", probe=probe),),
    )
    return Campaign(config, b"" if config.kind == "multicast" else bytes(100))


def node(stage: Stage) -> str:
    return stage.name.replace(" ", "_")


def diagram(stages: tuple[Stage, ...], *, rounds: bool) -> Iterator[str]:
    yield "```mermaid"
    yield "stateDiagram-v2"
    names = ["[*]", *map(node, stages), "[*]"]
    yield from (f"    {here} --> {there}" for here, there in pairwise(names))
    session = next(stage for stage in stages if stage.sessions)
    for stage in stages:
        if stage.back_to is another_session:
            yield f"    {node(stage)} --> {node(session)}: session over, frames remain"
        elif stage.back_to is after_status and any(s.back_to is after_repair for s in stages):
            yield f"    {node(stage)} --> {UNICAST_REPAIR}: the last few lack fragments"
        again = stage.back_to in (another_round, after_status, after_repair) and rounds
        if again or (stage.back_to is after_verification and FRAG_SESSION_STATUS in names):
            sending = next(s for s in stages if s.exchange == "transmission")
            yield f"    {node(stage)} --> {node(sending)}: another round"
            yield f"    {node(stage)} --> {node(session)}: another round, session over"
    yield "```"


def sentence(function: object) -> str:
    """First sentence of a docstring, for a cell of a table."""
    doc = " ".join((getattr(function, "__doc__", None) or "nothing").split())
    return re.split(r"(?<=[.])\s", doc)[0].rstrip(".")


def table() -> Iterator[str]:
    yield "| stage | sends | ended by | when it is stopped |"
    yield "| --- | --- | --- | --- |"
    for stage in STAGES:
        sends = {"unicast": "unicast", "transmission": "multicast", "status": "multicast or unicast"}[stage.exchange]
        bounded = "answers, its time, maximum duration" if stage.bounded else "answers, its time"
        clean_up = sentence(stage.clean_up)
        also = "; also when it fails" if stage.sets_up else ""
        yield f"| {stage.name} | {sends} | {bounded} | {clean_up}{also} |"


def text() -> str:
    lines = [HEAD, "```mermaid", "stateDiagram-v2", "    [*] --> CONFIGURED"]
    lines += [f"    {here} --> {there}: {why}" for here, there, why in TRANSITIONS]
    lines += [*(f"    {end} --> [*]" for end in ("SUCCEEDED", "FAILED", "STOPPED")), "```", ""]
    for kind, (title, settings) in KINDS.items():
        campaign = campaign_of(kind, **settings)  # type: ignore[arg-type]
        rounds = not all(group.fec and not group.adaptive for group in campaign.plan.groups.values())
        lines += [f"## {title}", "", *diagram(planned_stages(campaign.config, campaign.plan), rounds=rounds), ""]
    lines += ["## Stages", "", *table(), ""]
    lines += ["## Why a device did not pass", "", "| reason begins with | meaning |", "| --- | --- |"]
    lines += [f"| {kind} | {meaning} |" for kind, meaning in REASONS.items()]
    lines += ["", "## Events", "", "| event | version | meaning |", "| --- | --- | --- |"]
    lines += [f"| {name} | {event.VERSION} | {sentence(event)} |" for name, event in EVENTS.items()]
    return "\n".join(lines) + "\n"


PARAMETERS_HEAD = """\
# The parameters of a campaign

Generated by `make docs` from `fuota_fec/campaign/config.py` and `fuota_fec/simulation.py`. Durations are in seconds
unless stated otherwise. A file for `fuota-fec campaign run` has these tables.
"""
TABLES = {"[campaign]": CampaignConfig, "[[campaign.groups]]": Group, "[[campaign.devices]]": Device}
MORE_TABLES = {"[campaign.ports]": Ports, "[image]": ImageSource, "[simulation]": Simulation}


def described(cls: type) -> dict[str, str]:
    """Fields of a dataclass → their docstrings in the source."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(cls)))
    body = tree.body[0].body  # type: ignore[attr-defined]
    texts = {}
    for statement, following in zip(body, [*body[1:], None], strict=True):
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            comment = following.value if isinstance(following, ast.Expr) else None
            text = comment.value if isinstance(comment, ast.Constant) and isinstance(comment.value, str) else ""
            texts[statement.target.id] = " ".join(text.split()).replace("|", "or")
    return texts


def default_of(spec: Field[Any]) -> str:
    if spec.default is not MISSING:
        return "" if spec.default is None else f"`{json.dumps(spec.default)}`"
    return "" if spec.default_factory is not MISSING else "required"


def parameters() -> str:
    lines = [PARAMETERS_HEAD]
    for title, cls in {**TABLES, **MORE_TABLES}.items():
        texts = described(cls)
        lines += [f"## {title}", "", "| name | default | meaning |", "| --- | --- | --- |"]
        lines += [f"| {spec.name} | {default_of(spec)} | {texts.get(spec.name, '')} |" for spec in fields(cls)]
        lines.append("")
    return "\n".join(lines)


def main() -> int:
    wanted = {DOCS / "campaign-states.md": text(), DOCS / "parameters.md": parameters()}
    if "--check" in sys.argv[1:]:
        return (
            0 if all(path.exists() and path.read_text(encoding="utf-8") == want for path, want in wanted.items()) else 1
        )
    for path, want in wanted.items():
        path.write_text(want, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
