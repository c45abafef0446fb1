from __future__ import annotations

import importlib.util
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from fuota_fec.campaign.config import CampaignConfig
from fuota_fec.campaign.messages import Event
from fuota_fec.simulation import Simulation, simulate_campaign

BROWSER = Path(__file__).parents[2] / "docs" / "browser.py"
Events = Callable[..., list[Event]]


@pytest.fixture(scope="session")
def events_of() -> Events:
    """Events of small simulated campaigns, cached by their settings."""
    made: dict[str, list[Event]] = {}

    def make(*, n_devices: int = 6, downlink_loss: float = 0.1, image_len: int = 2000, **settings: Any) -> list[Event]:
        key = repr((n_devices, downlink_loss, image_len, sorted(settings.items())))
        if key not in made:
            fleet = Simulation(seed=3, n_devices=n_devices, downlink_loss=downlink_loss, uplink_loss=0.1)
            table = {
                "id": "small",
                "fw_version": "2.0.0.0",
                "success_threshold": 60,
                "max_duration": 86400,
                "uplink_period": 300,
                "fsize": 50,
                "msg_retries": 3,
                "stage_end": "all",
                "groups": [{"name": "meters", "mc_addr": "01f3a4b5", "dr": 5}],
                **settings,
            }
            table["devices"] = fleet.made_up_devices([group["name"] for group in table["groups"]])
            config = CampaignConfig.from_mapping(table)
            result = simulate_campaign(config, bytes(range(1, 251)) * (image_len // 250), fleet)
            made[key] = list(result.journal.events(config.id))
        return made[key]

    return make


@pytest.fixture(scope="session")
def failed_events(events_of: Events) -> list[Event]:
    """Events of a campaign with too few coded fragments: no device completes."""
    return events_of(downlink_loss=0.3, redundancy=2, success_threshold=90)


@pytest.fixture(scope="session")
def adaptive_events(events_of: Events) -> list[Event]:
    return events_of(n_devices=12, downlink_loss=0.2, redundancy="adaptive")


class Page(HTMLParser):
    """Text and elements of a page. Fails if tags do not match."""

    VOID = ("meta", "br", "link", "input", "img")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.words: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), (tag, names)
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.tags if name == tag]


@pytest.fixture(scope="session")
def page() -> type[Page]:
    return Page


@pytest.fixture(scope="session")
def browser_module() -> ModuleType:
    """Module docs/browser.py."""
    spec = importlib.util.spec_from_file_location("browser", BROWSER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
