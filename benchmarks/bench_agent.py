"""Cost of an uplink to an agent, by the number of campaigns that it runs, and of a network that is down.

    python benchmarks/bench_agent.py [--campaigns 200] [--devices 500] [--uplinks 4000]

Each turn brings one uplink. *Requests*: devices send in turn, over all campaigns, while the campaigns set their groups
up; each uplink brings a request, which is committed, handed over and reported as sent, in three commits. *Mix*: one
uplink in twenty is of that kind; the others are of devices that were heard and asked before.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from statistics import quantiles
from tempfile import TemporaryDirectory

from results import Row, show

from fuota_fec.agent import Agent
from fuota_fec.campaign import messages as m
from fuota_fec.campaign.campaign import Campaign
from fuota_fec.campaign.config import CampaignConfig, KeyRing
from fuota_fec.errors import NetworkError
from fuota_fec.journal import Journal, open_journal
from fuota_fec.networks.base import Downlink, MulticastGroup
from fuota_fec.wire.keys import Key

START = 1.8e9
N_CAMPAIGNS, N_DEVICES, N_UPLINKS = 200, 500, 4000
ONE_IN = 20
"""Uplinks of the mix for each one that brings a request."""
N_PENDING = 4000


class Counting:
    """A network that takes everything at once unless it is down, and brings one uplink in each poll."""

    capabilities = m.NetworkCapabilities(owns_f_cnt=False, summaries=False)

    def __init__(self) -> None:
        self.inputs: list[m.Input] = []
        self.n_submitted = 0
        self.down = False

    def open_group(self, _group: MulticastGroup) -> int | None:
        return None

    def submit(self, downlink: Downlink, _now: float) -> m.HandOver:
        self.n_submitted += 1
        if self.down:
            raise NetworkError("down")
        self.inputs.append(m.DownlinkSent(downlink.id, True))
        return m.HandOver(id=downlink.id)

    def withdraw(self, _ids: Sequence[str], _now: float) -> None:
        pass

    def poll(self, _now: float) -> Sequence[m.Input]:
        inputs, self.inputs = self.inputs, []
        return inputs

    def reconnect(self) -> None:
        pass


def config_of(number: int, n_devices: int) -> CampaignConfig:
    first = number * n_devices
    return CampaignConfig.from_mapping(
        {
            "id": f"c{number}",
            "kind": "binary",
            "success_threshold": 90,
            "max_duration": 30 * 86400,
            "uplink_period": 3600,
            "redundancy": "3/4",
            "ucast_msg_delay": 0,
            "fsize": 100,
            "groups": [{"name": "meters", "mc_addr": f"{number + 1:08x}", "dr": 5}],
            "devices": [{"dev_eui": f"{first + i:016x}", "group": "meters"} for i in range(n_devices)],
        }
    )


class Run:
    """Campaigns of an agent, whose devices send in turn."""

    def __init__(self, journal: Journal, n_campaigns: int, n_devices: int) -> None:
        self.configs = [config_of(number, n_devices) for number in range(n_campaigns)]
        key = Key(bytes(16))
        keys = KeyRing(
            root_keys={device.key_name: key for config in self.configs for device in config.devices},
            mc_keys={group.key_name: key for config in self.configs for group in config.groups},
        )
        self.network = Counting()
        self.agent = Agent(journal, self.network, keys)
        self.now = START
        for config in self.configs:
            self.agent.launch(Campaign(config, bytes(10_000)), self.now)
        self.agent.step(self.now)
        self.turns: list[float] = []
        """Wall seconds of each turn that was measured."""
        self._next = 0

    def _device(self, number: int) -> str:
        config = self.configs[number % len(self.configs)]
        return config.devices[number // len(self.configs) % len(config.devices)].dev_eui

    def uplink(self, *, new: bool) -> float:
        """CPU seconds of the turn of an uplink: of the next device, or of one that was heard before."""
        number = self._next if new else max(0, self._next - 1 - len(self.turns) % max(1, self._next // 2))
        self._next += new
        self.now += 0.001
        self.network.inputs.append(m.Uplink(self._device(number), 2, b"", self.now))
        since, begun = time.perf_counter(), time.process_time()
        self.agent.step(self.now)
        took = time.process_time() - begun
        self.turns.append(time.perf_counter() - since)
        return took


def measure(journal: Journal, n_campaigns: int, n_devices: int, n_uplinks: int) -> dict[str, float]:
    """CPU seconds for each uplink of both kinds, and the 99th percentile of the wall seconds of a request's turn."""
    run = Run(journal, n_campaigns, n_devices)
    requests = sum(run.uplink(new=True) for _ in range(n_uplinks))
    p99 = quantiles(run.turns, n=100)[98]
    assert run.network.n_submitted == n_uplinks
    mix = sum(run.uplink(new=i % ONE_IN == 0) for i in range(n_uplinks))
    run.agent.close()
    return {"requests": requests / n_uplinks, "mix": mix / n_uplinks, "p99": p99}


def most_failures(n_pending: int, n_steps: int = 50) -> int:
    """Most hand-overs that failed in one step of a second, with this number pending while the network is down."""
    with closing(open_journal(":memory:")) as journal:
        run = Run(journal, 1, n_pending)
        run.network.down = True
        for device in run.configs[0].devices:
            run.network.inputs.append(m.Uplink(device.dev_eui, 2, b"", run.now))
        most = 0
        for _ in range(n_steps):
            before = run.network.n_submitted
            run.agent.step(run.now)
            most = max(most, run.network.n_submitted - before)
            run.now += 1.0
        run.agent.close()
    return most


def best_of(rounds: int, cases: list[tuple[str, int, int]], n_uplinks: int) -> list[dict[str, float]]:
    """Least values of cases (journal, campaigns, devices of each), which are measured in turn."""
    best: list[dict[str, float]] = [{} for _ in cases]
    for _ in range(rounds):
        for (kind, n_campaigns, n_devices), least in zip(cases, best, strict=True):
            with TemporaryDirectory() as folder:
                url = ":memory:" if kind == "memory" else f"sqlite:///{folder}/journal.db"
                with closing(open_journal(url)) as journal:
                    found = measure(journal, n_campaigns, n_devices, n_uplinks)
            least.update({name: min(value, least.get(name, value)) for name, value in found.items()})
    return best


def rows(
    n_campaigns: int = N_CAMPAIGNS, n_devices: int = N_DEVICES, n_uplinks: int = N_UPLINKS, rounds: int = 2
) -> Iterator[Row]:
    """The rows of the agent."""
    memory = [("memory", 1, n_campaigns * n_devices), ("memory", n_campaigns, n_devices)]
    one, each = best_of(rounds, memory, n_uplinks)
    [sqlite] = best_of(1, [("sqlite", n_campaigns, n_devices)], n_uplinks)
    for kind, what in (("mix", f"1 uplink in {ONE_IN} brings a request"), ("requests", "each uplink brings a request")):
        work = f"agent, {n_campaigns} campaigns × {n_devices} devices, memory journal, {what}"
        yield Row(work=work, value=1 / each[kind], unit="uplinks/s", at_least=7000, reach=12_000, better="higher")
        yield Row(
            work=f"{work}, beside 1 campaign", value=one[kind] / each[kind], unit="×", at_least=0.8, better="higher"
        )
    for found, journal, bound, aim in ((each, "memory", 0.5, 0.25), (sqlite, "SQLite", 2.0, 1.2)):
        work = f"p99 uplink in → request out, {n_campaigns} campaigns, {journal}"
        yield Row(work=work, value=found["p99"] * 1e3, unit="ms", at_least=bound, reach=aim)
    work = f"network down, {N_PENDING} pending: most failing submits in a step"
    yield Row(work=work, value=most_failures(N_PENDING), unit="", at_least=1, reach=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--campaigns", type=int, default=N_CAMPAIGNS)
    parser.add_argument("--devices", type=int, default=N_DEVICES)
    parser.add_argument("--uplinks", type=int, default=N_UPLINKS)
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    show(rows(options.campaigns, options.devices, options.uplinks, options.rounds))


if __name__ == "__main__":
    main()
