"""`prepare` with a fleet, deltas and signatures, and their check."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from releases import micropython_1, micropython_2
from signing_keys import EC, OTHER_EC, hides, pem, public_pem

from fuota_fec.campaign.facts import DeviceFact, KnownDevice
from fuota_fec.image.delta import make_delta
from fuota_fec.journal import open_journal

BATCH = """
[[images]]
path = "new.bin"
fw_version = "2.0.0.0"
sign = { file = "key.pem", layout = "raw" }
[[images]]
path = "new.bin"
fw_version = "2.0.0.0"
sign = { file = "key.pem", layout = "raw" }
base = { path = "old.bin", fw_version = "1.0.0.0" }
[[targets]]
name = "dr5"
dr = 5
dialect = "2.0.0"
"""
FULL, DELTA = "new-dr5.npy", "new-from-old-dr5.npy"
EUIS = [f"{i:016x}" for i in range(4)]


@pytest.fixture
def batch(tmp_path: Path) -> Path:
    (tmp_path / "old.bin").write_bytes(micropython_1())
    (tmp_path / "new.bin").write_bytes(micropython_2())
    (tmp_path / "key.pem").write_text(pem(EC))
    (tmp_path / "public.pem").write_text(public_pem(EC))
    (tmp_path / "other.pem").write_text(public_pem(OTHER_EC))
    (tmp_path / "batch.toml").write_text(BATCH)
    (tmp_path / "fleet.csv").write_text("dev_eui,fw_version\n" + "".join(f"{eui},1.0.0.0\n" for eui in EUIS))
    return tmp_path / "batch.toml"


def test_a_fleet_gets_the_delta_and_the_check_holds(fuota, tmp_path, batch):
    out = tmp_path / "out"
    done = fuota("prepare", batch, "-o", out, "--fleet", tmp_path / "fleet.csv")
    assert done.exit_code == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith(f"dr5: {DELTA} for 4 devices: delta, requires_fw_version 1.0.0.0, ")
    assert lines[-1] == f"{out}/manifest.json: 1 output prepared"
    assert sorted(path.name for path in out.iterdir()) == ["deliveries.json", "manifest.json", DELTA]
    checked = fuota("prepare", batch, "--check", out, "--public-key", tmp_path / "public.pem")
    assert (checked.exit_code, checked.stdout) == (0, f"{out}: 1 output checked, all hold\n")
    for arguments, problem in (
        ([batch, "--public-key", tmp_path / "other.pem"], "it is signed with another key"),
        ([], "delta: its base old.bin is not known"),
    ):
        checked = fuota("prepare", *arguments, "--check", out)
        assert checked.exit_code == 1
        assert problem in checked.stderr
    assert all(hides(path.read_bytes().decode("latin-1"), EC) for path in out.iterdir())


def test_versions_sessions_and_keys_come_from_registry_and_key_file(fuota, tmp_path, batch):
    url = f"sqlite:///{tmp_path}/journal.db"
    journal = open_journal(url)
    known = [KnownDevice(session_cnt=i, fw_version=0x01000000) for i in range(4)]
    journal.create(
        "c", b"i", facts=[DeviceFact(dev_eui=e, frag_index=0, known=k) for e, k in zip(EUIS, known, strict=True)]
    )
    journal.close()
    (tmp_path / "fleet.csv").write_text("dev_eui\n" + "\n".join(EUIS))
    (tmp_path / "keys.json").write_text(json.dumps({"root_keys": dict.fromkeys(EUIS, "00" * 16), "mc_keys": {}}))
    arguments = ["prepare", batch, "-o", tmp_path / "out", "--fleet", tmp_path / "fleet.csv", "--json"]
    alone = json.loads(fuota(*arguments).stdout)
    assert alone["deliveries"]["targets"][0]["deliveries"][0]["output"] == FULL
    facts = json.loads(fuota(*arguments, "--db", url, "--keys", tmp_path / "keys.json").stdout)
    [delivery] = facts["deliveries"]["targets"][0]["deliveries"]
    assert (delivery["output"], delivery["dev_euis"]) == (DELTA, EUIS)
    assert [one["session_cnt"] for one in delivery["mics"]] == [1, 2, 3, 4]
    assert json.loads((tmp_path / "out" / "deliveries.json").read_text()) == facts["deliveries"]


def test_devices_without_an_image_are_an_error(fuota, tmp_path, batch):
    (tmp_path / "fleet.csv").write_text(f"dev_eui,fw_version,downlink_dr\n{EUIS[0]},1.0.0.0,0\n")
    done = fuota("prepare", batch, "-o", tmp_path / "out", "--fleet", tmp_path / "fleet.csv")
    assert done.exit_code == 1
    assert done.stderr.startswith("error: target dr5: 1 device out of reach")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["batch.toml", "-o", "out", "--db", "sqlite:///x.db"], "--db and --keys are for --fleet"),
        (["batch.toml", "-o", "out", "--public-key", "public.pem"], "--public-key is for --check"),
        (["--check", "out", "--fleet", "fleet.csv"], "--check goes with none of -o, --fleet and --report"),
        (["batch.toml", "-o", "out", "--fleet", "no.csv"], "no.csv"),
        (["batch.toml", "-o", "out", "--fleet", "fleet.csv", "--db", "sqlite:///no.db"], "there is no such file"),
    ],
)
def test_wrong_usage_is_refused_and_nothing_is_written(fuota, tmp_path, batch, arguments, message, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = fuota("prepare", *arguments)
    assert done.exit_code == 2
    assert message in done.stderr
    assert not (tmp_path / "out").exists()


def test_the_delta_is_that_of_the_signed_image(fuota, tmp_path, batch):
    fuota("prepare", batch, "-o", tmp_path / "out")
    entries = json.loads((tmp_path / "out" / "manifest.json").read_text())["items"]
    sizes = {entry["output"]: entry["image"]["len"] for entry in entries}
    assert sizes[FULL] == len(micropython_2()) + 64
    full = next(entry["image"] for entry in entries if entry["output"] == FULL)
    delta = next(entry["image"] for entry in entries if entry["output"] == DELTA)
    assert delta["full"] == {"len": full["len"], "sha256": full["sha256"]}
    assert abs(sizes[DELTA] - len(make_delta(micropython_1(), micropython_2()).patch)) < 500
