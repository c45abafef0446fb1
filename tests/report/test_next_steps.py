"""What to do next about the devices that did not pass."""

from __future__ import annotations

import shlex

import pytest

from fuota_fec.campaign.reasons import REASONS
from fuota_fec.report.next_steps import Step, command_line, next_steps
from tests.support.statuses import device, status_of


def test_every_device_that_did_not_pass_has_a_step_the_most_frequent_first():
    status = status_of(
        *(device(f"1{n}", "failed", "missing 3 fragments") for n in range(3)),
        device("20", "failed", "never heard"),
        device("21", "failed", "not heard in McGroupSetup"),
        device("30", "unverified"),
        device("40", "passed"),
    )
    steps = next_steps(status)
    assert steps == [
        Step(3, "", "retry", "--redundancy adaptive"),
        Step(2, "check that they are on, in range and joined", "retry"),
        Step(1, "", "retry"),
    ]
    assert steps[0].command("a") == "fuota-fec campaign retry a --redundancy adaptive"
    assert steps[1].command("a", "--db x") == "fuota-fec campaign retry a --db x"


@pytest.mark.parametrize("kind", REASONS)
def test_each_kind_of_reason_has_a_step(kind: str):
    [step] = next_steps(status_of(device("01", "failed", f"{kind} x")))
    assert (step.n_devices, step.verb) == (1, "retry")


def test_nothing_is_to_be_done_if_all_passed_or_while_the_campaign_runs():
    assert next_steps(status_of(device("01", "passed"), status="SUCCEEDED", state="SUCCEEDED")) == []
    assert next_steps(status_of(device("01", "running"), status="RUNNING", state="RUNNING")) == []


@pytest.mark.parametrize("held_up", [{"paused": True}, {"suspended": "no keys"}])
def test_a_campaign_that_is_held_up_is_resumed(held_up: dict[str, object]):
    status = status_of(device("01", "running"), status="RUNNING", state="RUNNING", n_taking_part=1, **held_up)
    assert next_steps(status) == [Step(1, str(held_up.get("suspended", "")), "resume")]


@pytest.mark.parametrize("name", ["a b", "x'y", "$(reboot)", "-"])
def test_ids_are_quoted_for_a_shell(name: str):
    assert shlex.split(command_line("retry", name, "", "--db x")) == [
        *("fuota-fec", "campaign", "retry", name, "--db", "x")
    ]
