"""The file of `fuota-fec campaign run`, with the tables campaign, image and simulation, and profiles of one's own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from fuota_fec.campaign.config import CampaignConfig
from fuota_fec.checks import expected_of, shown
from fuota_fec.config_files import from_table, read_table
from fuota_fec.errors import ParameterError
from fuota_fec.image import FirmwareImage, ImageSource, read_image
from fuota_fec.simulation import Simulation

REQUIRED = ("campaign", "image", "simulation")
PROFILES = "profiles"
"""Table of tables, one for each device profile of one's own; they are part of the campaign's configuration."""
TABLES = (*REQUIRED, PROFILES)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFile:
    """A campaign, its image, and the simulated fleet to run it over."""

    config: CampaignConfig
    firmware: FirmwareImage
    simulation: Simulation

    @property
    def image(self) -> bytes:
        return self.firmware.data

    @property
    def notes(self) -> list[str]:
        """Lines about the part of the image file that was read, if that is not the whole file."""
        return [f"info: {self.firmware.where}: {self.firmware.summary}"] if self.firmware.segments else []


def read_run_file(path: str) -> RunFile:
    """Reads a run file. Paths in it are relative to its folder. ParameterError with every problem, a line each."""
    table = read_table(path)
    problems = [
        f"{path}: unknown table {shown(name)}, {expected_of(name, TABLES)}" for name in table if name not in TABLES
    ]
    for name in TABLES:
        if name not in table:
            if name in REQUIRED:
                problems.append(f"{path}: table [{name}] is missing")
        elif not isinstance(table[name], dict):
            problems.append(f"{path}: {name}: {shown(table[name])} is not a table, expected [{name}]")
    if problems:
        raise ParameterError.of(problems)
    simulation = source = config = None
    folder = Path(path).parent
    try:
        simulation = from_table(Simulation, table["simulation"], "simulation")
        if simulation.trace is not None:
            simulation = replace(simulation, trace=str((folder / simulation.trace).absolute()))
    except ParameterError as error:
        problems += error.problems
    try:
        source = from_table(ImageSource, table["image"], "image")
    except ParameterError as error:
        problems += error.problems
    campaign = dict(table["campaign"])
    if PROFILES in table:
        if PROFILES in campaign:
            problems.append("campaign.profiles: there is a table [profiles] as well, expected only one of the two")
        campaign[PROFILES] = table[PROFILES]
    if "n_devices" in table["simulation"]:
        if "devices" in campaign:
            problems.append("simulation.n_devices: campaign.devices lists the devices, expected only one of the two")
        groups = campaign.get("groups")
        named = [g.get("name") for g in groups if isinstance(g, dict)] if isinstance(groups, list) else []
        names = [name for name in named if isinstance(name, str)]
        # A substitute for a wrong fleet, so that only problems of the campaign itself are added.
        fleet = simulation or Simulation(n_devices=max(1, len(names)))
        campaign["devices"] = fleet.made_up_devices(names)
    try:
        config = CampaignConfig.from_mapping(campaign, "campaign", folder)
    except ParameterError as error:
        problems += error.problems
    if problems or simulation is None or source is None or config is None:
        raise ParameterError.of(f"{path}: {problem.removeprefix(f'{path}: ')}" for problem in problems)
    return RunFile(config=config, firmware=read_image(source, folder), simulation=simulation)
