from __future__ import annotations

from fuota_fec.devices.builds import BUILDS
from fuota_fec.devices.profiles import PROFILES


def test_every_build_is_its_base_with_its_changes() -> None:
    for name, (base, changes) in BUILDS.items():
        made = PROFILES[name]
        assert (made.base, made.source) == (base, changes["source"])
        assert PROFILES[base].replace(name=name, **changes) == made
        assert base not in BUILDS


def test_every_build_differs_from_its_base_in_more_than_its_source() -> None:
    for name in BUILDS:
        assert len(PROFILES[name].changed()) > 2, name
