"""Executors by options: each runs a task; what cannot be had is said."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from fuota_fec.cli.executors import executor_given
from fuota_fec.errors import MissingExtraError, NetworkError


@pytest.mark.parametrize(("kind", "workers"), [("threads", 1), ("threads", None), ("processes", 2)])
def test_an_executor_runs_a_task(kind, workers):
    with executor_given(kind, workers, None) as executor:
        assert executor.submit(divmod, 7, 2).result() == (3, 1)


def test_a_cluster_needs_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MissingExtraError, match=r"fuota-fec\[dask\]"), executor_given("threads", None, "tcp://x:1"):
        pass


@pytest.mark.parametrize("url", ["nonsense://x", "tcp://127.0.0.1:1"])
def test_a_cluster_that_cannot_be_reached_is_said(url, monkeypatch):
    distributed = pytest.importorskip("distributed")

    def refuse(given):
        raise OSError(f"no {given}")

    monkeypatch.setattr(distributed, "Client", refuse)
    with pytest.raises(NetworkError, match="cannot be reached"), executor_given("threads", None, url):
        pass


def test_a_cluster_is_reached_by_its_url(monkeypatch):
    distributed = pytest.importorskip("distributed")

    class Client:
        def __init__(self, url):
            assert url == "tcp://scheduler:8786"

        def __enter__(self):
            return self

        def __exit__(self, *_):
            closed.append(True)

        def get_executor(self):
            return ThreadPoolExecutor(1)

    closed = []
    monkeypatch.setattr(distributed, "Client", Client)
    with executor_given("threads", None, "tcp://scheduler:8786") as executor:
        assert executor.submit(divmod, 7, 2).result() == (3, 1)
    assert closed
