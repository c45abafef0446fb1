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
        (BuildLimits(min_frag_size=9, max_frag_size=8), "9 and 8 are not a range, expected the smaller one first"),
        (
            BuildLimits(frag_size_multiple=9, max_frag_size=8),
            "frag_size_multiple: 9 has no multiple from min_frag_size, 1, to max_frag_size, 8, expected one at least",
        ),
        (
            BuildLimits(min_frag_size=51, max_frag_size=99, frag_size_multiple=50),
            "frag_size_multiple: 50 has no multiple from min_frag_size, 51, to max_frag_size, 99",
        ),
        (BuildLimits(n_sessions=2, n_decoders=3), "n_decoders: 3 is not from 1 to n_sessions, 2"),
        (BuildLimits(regional_revision="RP002"), "regional_revision: 'RP002' is not known, expected one of"),
    ],
)
def test_limits_that_no_build_can_have(limits: BuildLimits, problem: str) -> None:
    assert any(problem in line for line in limit_problems(limits))
