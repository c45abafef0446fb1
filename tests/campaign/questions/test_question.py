"""Questions in general: their common form, refusals and verdicts."""

from __future__ import annotations

from fuota_fec.campaign.questions import refusal
from fuota_fec.wire import fragmentation, multicast


def test_refusal_names_the_flags_that_are_set() -> None:
    assert refusal(multicast.McGroupSetupAns(mc_group_id=3)) == ""
    both = fragmentation.FragSessionSetupAns(frag_index=1, not_enough_memory=True, wrong_descriptor=True)
    assert refusal(both) == "not_enough_memory, wrong_descriptor"


def test_a_group_number_is_no_refusal() -> None:
    """mc_group_id 1 is not the flag True."""
    assert refusal(multicast.McGroupSetupAns(mc_group_id=1)) == ""
    assert refusal(fragmentation.FragSessionSetupAns(frag_index=1)) == ""
