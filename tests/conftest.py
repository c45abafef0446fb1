from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

import fuota_fec as ff
from fuota_fec import _core, _reference

# No law depends on the pace of the machine, which other processes share.
settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.load_profile("default")

# The journal and the colours of whoever runs the tests.
for name in ("FUOTA_FEC_DB", "FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
    os.environ.pop(name, None)


def pytest_report_header() -> list[str]:
    return [f"core: {_core.__file__}", f"kernels: {', '.join(ff.kernels())}, chosen: {ff.kernel()}"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuses names that differ from run to run: processes that share the tests know them by their names."""
    for item in items:
        if " at 0x" in item.nodeid:
            raise pytest.UsageError(f"{item.nodeid}: an address is in the name, expected the same name in every run")


VECTORS = Path(__file__).parent / "vectors"


@pytest.fixture(scope="session")
def vectors() -> Callable[[str], list[dict[str, Any]]]:
    """The recorded facts of one file of tests/vectors."""
    return lambda name: json.loads((VECTORS / f"{name}.json").read_text())["vectors"]


@pytest.fixture(scope="session")
def seeded_bytes() -> Callable[[str, int], bytes]:
    """Test data as the vectors define it: SHA256(seed ‖ BE32(i)) for i = 0, 1, …, cut to length."""

    def make(seed: str, length: int) -> bytes:
        parts = (hashlib.sha256(seed.encode() + i.to_bytes(4, "big")).digest() for i in range(-(-length // 32)))
        return b"".join(parts)[:length]

    return make


@pytest.fixture(params=["reference", *ff.kernels()])
def codec(request: pytest.FixtureRequest) -> SimpleNamespace:
    """One implementation of the code: the plain Python one, or a kernel of the core. Same results asked of all."""
    kernel = request.param
    if kernel == "reference":
        return SimpleNamespace(
            name=kernel,
            ParityMatrix=_reference.ParityMatrix,
            encode=_reference.encode,
            Decoder=_reference.Decoder,
        )
    return SimpleNamespace(
        name=kernel,
        ParityMatrix=lambda *args: ff.ParityMatrix(*args, kernel=kernel),
        encode=lambda *args, **kwargs: [bytes(row) for row in ff.encode(*args, kernel=kernel, **kwargs)],
        Decoder=lambda *args, **kwargs: ff.Decoder(*args, kernel=kernel, **kwargs),
    )


# ---- databases -------------------------------------------------------------------------------------------

DATABASES = ["sqlite", "postgresql"]


@contextmanager
def schema_of_its_own(server: str) -> Iterator[str]:
    """The URL of an empty schema of a PostgreSQL server, which is gone afterwards."""
    import sqlalchemy

    name = f"fuota_test_{uuid.uuid4().hex}"
    options = {"isolation_level": "AUTOCOMMIT", "poolclass": sqlalchemy.NullPool}
    engine = sqlalchemy.create_engine(server, **options)
    with engine.connect() as connection:
        connection.execute(sqlalchemy.text(f"CREATE SCHEMA {name}"))
    try:
        url = engine.url.update_query_dict({"options": f"-csearch_path={name}"})
        yield url.render_as_string(hide_password=False)
    finally:
        with engine.connect() as connection:
            connection.execute(sqlalchemy.text("SET lock_timeout = '10s'"))
            connection.execute(sqlalchemy.text(f"DROP SCHEMA {name} CASCADE"))


@pytest.fixture
def journal_url_of(tmp_path: Path) -> Iterator[Callable[[str], str]]:
    """Makes an empty database, "sqlite" or "postgresql", and gives its URL."""
    with ExitStack() as stack:

        def make(database: str) -> str:
            if database == "sqlite":
                return f"sqlite:///{tmp_path / 'journal.db'}"
            server = os.environ.get("FUOTA_FEC_TEST_POSTGRES")
            if not server:
                pytest.skip("FUOTA_FEC_TEST_POSTGRES names no PostgreSQL server")
            return stack.enter_context(schema_of_its_own(server))

        yield make


@pytest.fixture(params=DATABASES)
def journal_url(request: pytest.FixtureRequest, journal_url_of: Callable[[str], str]) -> str:
    """The URL of an empty database, once of each kind."""
    return journal_url_of(request.param)
