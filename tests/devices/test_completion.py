from __future__ import annotations

from fuota_fec.devices import completion, status_reading


def test_the_earlier_path_has_the_same_objects() -> None:
    for name in ("Completion", "Reading", "read_status"):
        assert getattr(completion, name) is getattr(status_reading, name)
