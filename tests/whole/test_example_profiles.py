"""The example campaign with every device profile: it succeeds, or is refused for a reason that names the limit."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from campaign_driver import own, updatable

from fuota_fec.campaign.campaign import Campaign
from fuota_fec.campaign.config import CampaignConfig
from fuota_fec.cli.runfile import RunFile, read_run_file
from fuota_fec.devices.profiles import PROFILES
from fuota_fec.errors import ParameterError
from fuota_fec.simulation import simulate_campaign

EXAMPLE = Path(__file__).parents[2] / "examples" / "firmware.toml"
NO_VERSION = "0 of 100 devices can report which version runs"
DIALECT = "the group's fragments are of TS004 1.0.0"

REFUSED = {
    "lbm": ("970 fragments, lbm devices take at most 100",),
    "loramac-node": (NO_VERSION, "4633 fragments, loramac-node devices take at most 21"),
    "zephyr": (NO_VERSION,),
    "zephyr-lowmem": (NO_VERSION,),
    "st-v2": ("0 of 100 devices reboot into the image", DIALECT),
    "actility-l476": (
        "1007 fragments, actility-l476 devices take at most 1000",
        "the image has 231608 bytes, actility-l476 devices take at most 230000",
    ),
    "mbed": (NO_VERSION,),
    "pamoja": (DIALECT,),
    "xdot": (NO_VERSION,),
}
"""Reasons of the refusals, by profile. With the others the example succeeds."""
ACCEPTED = [name for name in PROFILES if name not in REFUSED]


@pytest.fixture(scope="module")
def example() -> RunFile:
    return read_run_file(str(EXAMPLE))


def of_stack(config: CampaignConfig, stack: str, n_devices: int = 100) -> CampaignConfig:
    """The example with devices of a profile."""
    devices = tuple(dataclasses.replace(device, profile=stack) for device in config.devices[:n_devices])
    return dataclasses.replace(config, devices=devices)


def test_both_outcomes_are_of_profiles_that_exist() -> None:
    assert set(REFUSED) < set(PROFILES)
    assert ACCEPTED == ["st", "generic", "lbm-1100", "st-2021"]


@pytest.mark.parametrize("stack", REFUSED)
def test_a_stack_that_cannot_is_refused_for_its_limits(example: RunFile, stack: str) -> None:
    with pytest.raises(ParameterError) as caught:
        Campaign(of_stack(example.config, stack), example.image)
    lines = str(caught.value).splitlines()
    assert len(lines) == len(REFUSED[stack])
    for line, reason in zip(lines, REFUSED[stack], strict=True):
        assert reason in line


@pytest.mark.parametrize("stack", ACCEPTED)
def test_the_example_is_accepted_with_its_whole_image(example: RunFile, stack: str) -> None:
    assert Campaign(of_stack(example.config, stack), example.image).plan.n_needed == 95


def remedied(example: RunFile, stack: str) -> tuple[CampaignConfig, bytes]:
    """The example with what the refusals advise: a smaller image, the dialect of the stack, TS006 and a reboot by the
    application. It has 20 devices, and as many coded fragments as they need, or half as many as uncoded ones."""
    profile = updatable(stack)
    redundancy = "adaptive" if profile.answers_status else 20
    config = dataclasses.replace(example.config, profiles=own(profile), redundancy=redundancy)
    [group] = config.groups
    groups = (dataclasses.replace(group, dialect=profile.dialects[-1], mc_version=profile.mc_versions[-1]),)
    config = dataclasses.replace(of_stack(config, profile.name, 20), groups=groups)
    return config, example.image[: min(40, profile.usable_frags) * min(profile.max_frag_size, 232)]


@pytest.mark.parametrize("stack", PROFILES)
def test_with_what_the_refusals_advise_the_example_succeeds(example: RunFile, stack: str) -> None:
    config, image = remedied(example, stack)
    result = simulate_campaign(config, image, dataclasses.replace(example.simulation, n_devices=None))
    assert result.wrong == []
    assert result.campaign.status().status == "SUCCEEDED", result.campaign.status().reason
