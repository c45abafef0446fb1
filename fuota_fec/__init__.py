"""LoRaWAN firmware updates over the air: the TS004 code in C, and the campaigns that deliver images with it.

These are the public names. The codec is imported at once and needs numpy alone; names for campaigns are imported when
they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from fuota_fec._core import kernel, kernels
from fuota_fec._version import __version__ as __version__
from fuota_fec.codec.block import FragmentedBlock, prepare
from fuota_fec.codec.decoder import Decoder, decode
from fuota_fec.codec.encoder import encode
from fuota_fec.codec.parity import ParityMatrix
from fuota_fec.errors import (
    CampaignError,
    CampaignExistsError,
    DeviceBusyError,
    EventError,
    FuotaError,
    JournalError,
    MissingExtraError,
    NetworkError,
    ParameterError,
    UndecodableError,
    WireError,
)

if TYPE_CHECKING:
    from fuota_fec import wire
    from fuota_fec.agent import Agent
    from fuota_fec.campaign.campaign import Campaign
    from fuota_fec.campaign.config import CampaignConfig, Device, Group, KeyRing
    from fuota_fec.campaign.messages import DownlinkSent, MulticastSummary, Uplink
    from fuota_fec.campaign.retry import retry_config
    from fuota_fec.fleet.trials import FleetTrial, simulate_fleet
    from fuota_fec.journal import open_journal
    from fuota_fec.networks.base import Downlink, HandOver, MulticastGroup, Network, NetworkCapabilities
    from fuota_fec.planning.fragment_size import TransmissionPlan, plan_transmission
    from fuota_fec.planning.losses import BetaLoss, GilbertElliott, LossMix
    from fuota_fec.planning.probability import Completion, decode_probability, estimate_completion
    from fuota_fec.planning.redundancy import RedundancyPlan, plan_redundancy
    from fuota_fec.planning.selection import select_rows
    from fuota_fec.report.strategies import Strategy, StrategyComparison, compare
    from fuota_fec.simulation import Simulation, simulate_campaign
    from fuota_fec.wire.keys import Key

_LAZY = {
    "Agent": "fuota_fec.agent",
    "BetaLoss": "fuota_fec.planning.losses",
    "Campaign": "fuota_fec.campaign.campaign",
    "CampaignConfig": "fuota_fec.campaign.config",
    "Completion": "fuota_fec.planning.probability",
    "Device": "fuota_fec.campaign.config",
    "Downlink": "fuota_fec.networks.base",
    "DownlinkSent": "fuota_fec.campaign.messages",
    "FleetTrial": "fuota_fec.fleet.trials",
    "GilbertElliott": "fuota_fec.planning.losses",
    "Group": "fuota_fec.campaign.config",
    "HandOver": "fuota_fec.networks.base",
    "Key": "fuota_fec.wire.keys",
    "KeyRing": "fuota_fec.campaign.config",
    "LossMix": "fuota_fec.planning.losses",
    "MulticastGroup": "fuota_fec.networks.base",
    "MulticastSummary": "fuota_fec.campaign.messages",
    "Network": "fuota_fec.networks.base",
    "NetworkCapabilities": "fuota_fec.networks.base",
    "RedundancyPlan": "fuota_fec.planning.redundancy",
    "Simulation": "fuota_fec.simulation",
    "Strategy": "fuota_fec.report.strategies",
    "StrategyComparison": "fuota_fec.report.strategies",
    "TransmissionPlan": "fuota_fec.planning.fragment_size",
    "Uplink": "fuota_fec.campaign.messages",
    "compare": "fuota_fec.report.strategies",
    "decode_probability": "fuota_fec.planning.probability",
    "estimate_completion": "fuota_fec.planning.probability",
    "open_journal": "fuota_fec.journal",
    "plan_redundancy": "fuota_fec.planning.redundancy",
    "plan_transmission": "fuota_fec.planning.fragment_size",
    "retry_config": "fuota_fec.campaign.retry",
    "select_rows": "fuota_fec.planning.selection",
    "simulate_campaign": "fuota_fec.simulation",
    "simulate_fleet": "fuota_fec.fleet.trials",
    "wire": "fuota_fec.wire",
}

__all__ = [
    "Agent",
    "BetaLoss",
    "Campaign",
    "CampaignConfig",
    "CampaignError",
    "CampaignExistsError",
    "Completion",
    "Decoder",
    "Device",
    "DeviceBusyError",
    "Downlink",
    "DownlinkSent",
    "EventError",
    "FleetTrial",
    "FragmentedBlock",
    "FuotaError",
    "GilbertElliott",
    "Group",
    "HandOver",
    "JournalError",
    "Key",
    "KeyRing",
    "LossMix",
    "MissingExtraError",
    "MulticastGroup",
    "MulticastSummary",
    "Network",
    "NetworkCapabilities",
    "NetworkError",
    "ParameterError",
    "ParityMatrix",
    "RedundancyPlan",
    "Simulation",
    "Strategy",
    "StrategyComparison",
    "TransmissionPlan",
    "UndecodableError",
    "Uplink",
    "WireError",
    "compare",
    "decode",
    "decode_probability",
    "encode",
    "estimate_completion",
    "kernel",
    "kernels",
    "open_journal",
    "plan_redundancy",
    "plan_transmission",
    "prepare",
    "retry_config",
    "select_rows",
    "simulate_campaign",
    "simulate_fleet",
    "wire",
]


def __getattr__(name: str) -> object:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(_LAZY[name])
    value = module if _LAZY[name].endswith("." + name) else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_LAZY])
