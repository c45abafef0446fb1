"""The public names: all there, described, and with the parameters that others rely on."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

import fuota_fec as ff

CODEC = ["Decoder", "FragmentedBlock", "ParityMatrix", "decode", "encode", "kernel", "kernels", "prepare"]
ERRORS = [
    *("CampaignError", "CampaignExistsError", "DeviceBusyError", "EventError", "FuotaError", "JournalError"),
    *("MissingExtraError", "NetworkError", "ParameterError", "UndecodableError", "WireError"),
]
CAMPAIGN = [
    *(
        "Agent",
        "Campaign",
        "CampaignConfig",
        "Device",
        "Downlink",
        "DownlinkSent",
        "Group",
        "HandOver",
        "Key",
        "KeyRing",
        "MulticastGroup",
        "MulticastSummary",
        "Network",
        "NetworkCapabilities",
        "Simulation",
        "Strategy",
        "StrategyComparison",
        "Uplink",
    ),
    *("compare", "open_journal", "retry_config", "simulate_campaign"),
]


PLANNING = [
    *("BetaLoss", "Completion", "FleetTrial", "GilbertElliott", "LossMix", "RedundancyPlan", "TransmissionPlan"),
    *("decode_probability", "estimate_completion", "plan_redundancy", "plan_transmission"),
    *("select_rows", "simulate_fleet"),
]


@pytest.mark.parametrize("name", [*CODEC, *ERRORS, *CAMPAIGN, *PLANNING, "wire"])
def test_a_public_name_is_exported(name):
    assert name in ff.__all__
    assert name in dir(ff)


def test_all_is_in_order_and_says_nothing_twice():
    assert ff.__all__ == sorted(set(ff.__all__))
    assert not any(name.startswith("_") for name in ff.__all__)


@pytest.mark.parametrize("name", [*CODEC, *ERRORS])
def test_the_codec_and_the_errors_are_there_at_once_and_described(name):
    assert name in vars(ff)
    assert inspect.getdoc(getattr(ff, name))


def test_wire_is_loaded_when_it_is_used():
    assert inspect.ismodule(ff.wire)
    for package in ("fragmentation", "multicast", "firmware", "clock"):
        decode = getattr(ff.wire, package).decode
        named = ["dialect", "version"] if package == "fragmentation" else ["version"]
        assert list(inspect.signature(decode).parameters) == ["payload", "uplink", *named]


def test_the_version_is_that_of_the_package():
    code = "import importlib.metadata as m, fuota_fec; print(fuota_fec.__version__ == m.version('fuota-fec'))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "True\n"


@pytest.mark.parametrize("name", ["encoder", "Encoder", "DECODER", "_nothing", "annotations_"])
def test_an_unknown_name_is_an_attribute_error(name):
    with pytest.raises(AttributeError, match=rf"^module 'fuota_fec' has no attribute '{name}'$"):
        getattr(ff, name)
    assert not hasattr(ff, name)


# ---- signatures ----------------------------------------------------------------------------------------------


def parameters(function) -> list[str]:
    """Positional names, "*", then the keyword-only ones with their defaults, as the design writes them."""
    written = []
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY and "*" not in written:
            written.append("*")
        default = "" if parameter.default is inspect.Parameter.empty else f"={parameter.default!r}"
        written.append(name + default)
    return written


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (ff.ParityMatrix, ["n_frags", "dialect=None", "*", "version=None"]),
        (ff.ParityMatrix.row, ["self", "n"]),
        (ff.ParityMatrix.rows, ["self", "start", "stop"]),
        (
            ff.encode,
            [
                "block",
                "frag_size",
                "n_coded",
                "*",
                "dialect=None",
                "version=None",
                "rows=None",
                "matrix=None",
                "out=None",
            ],
        ),
        (ff.Decoder, ["n_frags", "frag_size", "*", "dialect=None", "version=None"]),
        (ff.decode, ["n_frags", "frag_size", "frag_nbs", "payloads", "*", "dialect=None", "version=None"]),
        (
            ff.prepare,
            [
                *(
                    "image",
                    "frag_size",
                    "*",
                    "n_coded=0",
                    "code_rate=None",
                    "rows=None",
                    "dialect=None",
                    "version=None",
                ),
                *("frag_index=0", r"descriptor=b'\x00\x00\x00\x00'"),
            ],
        ),
        (ff.FragmentedBlock.frame, ["self", "frag_nb"]),
        (ff.FragmentedBlock.more, ["self", "rows"]),
        (
            ff.FragmentedBlock.setup_request,
            [
                *("self", "*", "mc_group_bit_mask", "block_ack_delay", "ack_reception=False", "session_cnt=None"),
                "mic=None",
            ],
        ),
        (ff.select_rows, ["n_frags", "loss", "n_coded", "*", "dialect=None", "version=None", "seed=0"]),
        (
            ff.decode_probability,
            ["n_frags", "n_coded", "loss", "*", "dialect=None", "version=None", "rows=None"],
        ),
        (
            ff.plan_redundancy,
            [
                *("n_frags", "loss", "success_threshold", "*", "confidence=0.99", "n_devices=None"),
                *("dialect=None", "version=None", "max_coded=None", "rows='selected'"),
            ],
        ),
        (ff.kernel, []),
        (ff.kernels, []),
    ],
    ids=lambda value: value.__qualname__ if callable(value) else "",
)
def test_parameters(function, expected):
    """More may follow, by keyword and with a default."""
    found = parameters(function)
    assert found[: len(expected)] == expected
    assert all("=" in parameter for parameter in found[len(expected) :])
    if found[len(expected) :]:
        assert "*" in expected


@pytest.mark.parametrize(
    ("owner", "names"),
    [
        (ff.ParityMatrix, ["row", "rows", "n_frags", "version"]),
        (ff.Decoder, ["push", "missing", "complete", "rank", "block", "n_frags", "frag_size"]),
        (ff.RedundancyPlan, ["n_coded", "rows", "probability", "meets"]),
        (ff.FragmentedBlock, ["n_coded", "frame", "more", "setup_request"]),
    ],
)
def test_members(owner, names):
    for name in names:
        assert hasattr(owner, name)


def test_members_of_a_block():
    block = ff.prepare(bytes(10), 3, n_coded=1)
    for name in ("n_frags", "n_coded", "frag_size", "padding", "rows", "frames", "frame", "more", "setup_request"):
        assert hasattr(block, name)
