from __future__ import annotations

import pytest

from fuota_fec.devices.data_rates import check_data_rate, data_rate_problem
from fuota_fec.devices.profiles import PROFILES, profile
from fuota_fec.errors import ParameterError
from fuota_fec.radio.regions import REGIONS, region

NEW = profile("lbm").replace(name="new", new_data_rates=True)


@pytest.mark.parametrize("area", REGIONS)
def test_a_data_rate_of_the_newest_revision_is_refused_unless_every_profile_receives_it(area: str) -> None:
    for rate in region(area).data_rates:
        for row in PROFILES.values():
            assert bool(data_rate_problem(row, rate)) is (bool(rate.since) and not row.new_data_rates)
        assert data_rate_problem(NEW, rate) == ""
        check_data_rate([NEW], rate)
        if not rate.since:
            check_data_rate([], rate)
            check_data_rate(PROFILES.values(), rate)
            continue
        for profiles in ([], [profile("generic")], [NEW, profile("st")]):
            with pytest.raises(ParameterError, match=rf"^dr: DR{rate.dr} \(SF[56].* exists since RP002-1\.0\.5, "):
                check_data_rate(profiles, rate)


def test_the_remedy_is_a_profile_of_ones_own_with_the_same_base() -> None:
    rate = region("EU868").data_rate(12)
    for profiles, base in (
        ((), "generic"),
        ((profile("st-2021"),), "st"),
        ((profile("lbm").replace(name="m"),), "lbm"),
    ):
        with pytest.raises(ParameterError) as caught:
            check_data_rate(profiles, rate)
        assert str(caught.value).endswith(f'base = "{base}" and new_data_rates = true in [profiles.NAME]')
