from __future__ import annotations

import pytest

from fuota_fec.devices.limits import BuildLimits, limit_problems


def test_the_limits_of_the_specification_have_no_problems() -> None:
    assert list(limit_problems(BuildLimits())) == []
    assert BuildLimits().solvable_losses(1000) is None


def test_solvable_losses_are_the_smaller_limit() -> None:
    limits = BuildLimits(max_losses=5, max_loss_share=0.1)
    assert [limits.solvable_losses(n) for n in (1, 30, 100)] == [0, 3, 5]


@pytest.mark.parametrize(
    ("limits", "problem"),
    [
        (BuildLimits(max_frags=16_384), "max_frags: 16384 is not from 1 to 16383"),
        (BuildLimits(n_sessions=0), "n_sessions: 0 is not from 1 to 4"),
        (BuildLimits(min_frag_size=9, max_frag_size=8), "9 and 8 are not a range within 1 to 255"),
        (BuildLimits(frag_size_multiple=9, max_frag_size=8), "frag_size_multiple: 9 is not from 1 to max_frag_size, 8"),
        (BuildLimits(max_padding=-1), "max_padding: -1 is not 0 or more"),
        (BuildLimits(min_coded_spacing=float("nan")), "min_coded_spacing: nan is not 0 or more"),
        (BuildLimits(mc_group_ids=(0, 0)), "mc_group_ids: (0, 0) is not a list of McGroupIDs"),
    ],
)
def test_limits_that_no_build_can_have(limits: BuildLimits, problem: str) -> None:
    assert any(problem in line for line in limit_problems(limits))
