"""The manifest of a batch: one JSON file with an entry for each pair, an entry a line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fuota_fec._version import __version__
from fuota_fec.batch.target_plan import PairPlan
from fuota_fec.codec.block import FragmentedBlock
from fuota_fec.codec.frame_file import FIRST, LAYOUT, sealed

READY, FAILED = "ready", "failed"
"""Status of an entry."""


def ready_entry(
    output: str,
    size: int,
    sha256: str,
    *,
    image: Mapping[str, Any],
    target: Mapping[str, Any],
    block: FragmentedBlock,
    plan: PairPlan,
    inputs: str,
) -> dict[str, Any]:
    """Entry of a pair that is prepared. It has no time stamp and no absolute path: same inputs, same entry."""
    return sealed(
        {
            "output": output,
            "status": READY,
            "output_len": size,
            "output_sha256": sha256,
            "image": image,
            "target": target,
            "dialect": block.dialect,
            "n_frags": block.n_frags,
            "frag_size": block.frag_size,
            "padding": block.padding,
            "n_coded": block.n_coded,
            "rows": FIRST if plan.leading else block.rows.tolist(),
            "setup": {
                "frag_index": block.frag_index,
                "nb_frag": block.n_frags,
                "frag_size": block.frag_size,
                "frag_algo": 0,
                "padding": block.padding,
                "descriptor": block.descriptor.hex(),
            },
            "data_rates": plan.data_rates,
            "findings": [
                {"severity": f.severity, "rule": f.rule, "message": f.message, "remedy": f.remedy}
                for f in plan.findings
            ],
            "inputs": inputs,
        }
    )


def failed_entry(output: str, source: str, target: str, reason: str) -> dict[str, Any]:
    """Entry of a pair that cannot be prepared."""
    return {
        "output": output,
        "status": FAILED,
        "reason": reason,
        "image": {"source": source},
        "target": {"name": target},
    }


def manifest_text(lines: Sequence[str]) -> str:
    """Manifest with these entries."""
    head = json.dumps({"fuota_fec": __version__, "layout": LAYOUT})[:-1]
    body = ",\n".join(lines) + ("\n" if lines else "")
    return f'{head}, "items": [\n{body}]}}\n'


def lines_of(text: str) -> list[str]:
    """Lines of the entries of a manifest; those that are no entries included."""
    return [line.removesuffix(",") for line in text.splitlines()[1:-1]]


def entries_by_output(lines: Iterable[str]) -> dict[str, str]:
    """Output → the last line about it. Lines that are cut off or of another form are left out."""
    found = {}
    for line in lines:
        try:
            found[json.loads(line)["output"]] = line
        except (ValueError, KeyError, TypeError):
            continue
    return found
