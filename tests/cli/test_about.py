"""`gateway about`: what a device was at a time, from the database of an ingest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gateway.cli.root import build
from gateway.ingest.messages import Reader
from gateway.ingest.sinks.sqlite import SqliteSink
from gateway.ops import texts
from gateway.wire.times import SECOND, parse_time
from tests.rig.gateway import backbone_config

YEAR_NS = 365 * 86_400 * SECOND
MARCH, APRIL = parse_time("2026-03-20T03:00:00.000Z"), parse_time("2026-04-02T03:00:00.000Z")


@pytest.fixture(autouse=True)
def _english(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.delenv("LANNA_CONFIG", raising=False)
    texts.set_language("en")
    yield
    texts.set_language(None)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Two nodes have a device of that name; one of them got another sensor in April, and a node tells it every day."""
    reader = Reader("lanna/v1", retention_ns=YEAR_NS, max_payload_bytes=1 << 20)
    sink = SqliteSink(tmp_path / "r.sqlite", retention_ns=100 * YEAR_NS, max_bytes=1 << 40)
    model = {"driver": "plantower-pmsx003", "period_s": 60, "units": {"pm2_5": "ug/m3"}, "name": {"th": "ดาดฟ้า"}}
    for node, at, rev, since, serial in (
        ("nimman-07", MARCH, 1, "2026-03-20T02:59:00.000Z", "A1"),
        ("nimman-07", MARCH + 86_400 * SECOND, 1, "2026-03-20T02:59:00.000Z", "A1"),
        ("nimman-07", APRIL, 2, "2026-04-02T03:00:00.000Z", "B2"),
        ("rooftop", APRIL, 1, None, "C3"),
    ):
        reader.now_at(at)
        said = model | {"rev": rev, "since": since, "serial": serial, "position": {"lat": 18.7966, "lon": 98.9678}}
        sink.write(reader.read(f"lanna/v1/{node}/air/pms-roof/about", json.dumps(said).encode()).points)
    said = {"rev": 1, "since": None, "site": "nimman", "version": "0.1.0", "devices": ["pms-roof"]}
    sink.write(reader.read("lanna/v1/nimman-07/about", json.dumps(said).encode()).points)
    sink.close()
    return backbone_config(tmp_path, broker="mqtt://127.0.0.1:1", sink=f'sqlite = {{ path = "{tmp_path}/r.sqlite" }}')


def about(config: Path, *args: str) -> Any:
    return CliRunner().invoke(build(), ["about", *args, "--config", str(config)])


def told(config: Path, *args: str) -> Any:
    done = about(config, *args, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_as_it_was_at_a_time(config: Path) -> None:
    (found,) = told(config, "pms-roof", "--at", "2026-04-01")
    assert (found["serial"], found["rev"], found["node"]) == ("A1", 1, "nimman-07")
    assert found["since"] == "2026-03-20T02:59:00.000Z"
    assert (found["lat"], found["lon"], found["period_s"]) == (18.7966, 98.9678, 60.0)
    assert found["units"] == {"pm2_5": "ug/m3"}
    now = told(config, "pms-roof")
    assert [(each["node"], each["serial"]) for each in now] == [("nimman-07", "B2"), ("rooftop", "C3")]
    assert [each["serial"] for each in told(config, "pms-roof", "--node", "rooftop")] == ["C3"]
    every = told(config, "pms-roof", "--all", "--node", "nimman-07")
    assert [(each["rev"], each["serial"]) for each in every] == [(1, "A1"), (2, "B2")], "one telling of each"
    (node,) = told(config, "nimman-07")
    assert (node["device"], node["site"], node["devices"]) == (None, "nimman", ["pms-roof"])


def test_for_people(config: Path) -> None:
    done = about(config, "pms-roof", "--at", "2026-03-20T10:30+07:00")
    assert done.exit_code == 0
    lines = dict(line.split(None, 1) for line in done.stdout.splitlines())
    assert lines["serial"] == "A1"
    assert lines["since"] == "2026-03-20 09:59:00"
    assert lines["units"] == "pm2_5 ug/m3"
    assert lines["name"] == "th ดาดฟ้า"


def test_what_is_not_known(config: Path) -> None:
    before = about(config, "pms-roof", "--at", "2026-01-01")
    assert (before.exit_code, "2026-03-20 09:59:00" in before.output) == (1, True)
    assert about(config, "pms-cellar").exit_code == 1
    assert about(config, "no id").exit_code == 2
    assert about(config, "pms-roof", "--at", "whenever").exit_code == 2
