"""Blocks of a campaign: frames of its groups, made from the image, or a prepared block that has them."""

from __future__ import annotations

from collections.abc import Iterator

from fuota_fec.campaign.config import CampaignConfig
from fuota_fec.campaign.plan import GroupPlan, Plan
from fuota_fec.checks import counted
from fuota_fec.codec.block import FragmentedBlock, prepare
from fuota_fec.errors import ParameterError


def make_block(config: CampaignConfig, plan: GroupPlan, image: bytes) -> FragmentedBlock:
    """Frames of a group, ready for the air."""
    return prepare(
        image,
        plan.frag_size,
        rows=plan.rows,
        dialect=plan.group.dialect,
        frag_index=config.frag_index,
        descriptor=config.descriptor_bytes,
    )


def make_blocks(config: CampaignConfig, plan: Plan, image: bytes) -> dict[str, FragmentedBlock]:
    """Frames by name of the group; groups with the same frames share them."""
    made: dict[tuple[int, str, tuple[int, ...]], FragmentedBlock] = {}

    def block(group: GroupPlan) -> FragmentedBlock:
        same = (group.frag_size, group.group.dialect, group.rows)
        if same not in made:
            made[same] = make_block(config, group, image)
        return made[same]

    return {name: block(group) for name, group in plan.groups.items()}


def prepared_blocks(config: CampaignConfig, plan: Plan, block: FragmentedBlock) -> dict[str, FragmentedBlock]:
    """A prepared block as the frames of every group. ParameterError, with a line for each problem, if a group needs
    other ones."""
    problems = [
        f"group {name!r}: image: the prepared block has {problem}"
        for name, group in plan.groups.items()
        for problem in _differences(config, group, block)
    ]
    if problems:
        raise ParameterError.of(problems)
    return dict.fromkeys(plan.groups, block)


def _differences(config: CampaignConfig, group: GroupPlan, block: FragmentedBlock) -> Iterator[str]:
    for name, has, needed in (
        ("frag_size", block.frag_size, group.frag_size),
        ("dialect", block.dialect, group.group.dialect),
        ("frag_index", block.frag_index, config.frag_index),
        ("descriptor", block.descriptor.hex(), config.descriptor_bytes.hex()),
    ):
        if has != needed:
            yield f"{name} {has}, expected {needed}"
    missing = set(group.rows).difference(block.rows.tolist())
    if missing:
        yield f"not {counted(len(missing), 'row')} of the plan, such as {min(missing)}, expected all {len(group.rows)}"
