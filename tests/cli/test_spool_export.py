"""`gateway spool export`: CSV and line protocol."""

import csv
import io
import json
import time

import pytest

from gateway.ops import texts
from tests.cli.spools import BOOT, START_MS, event, fill, gateway, node_config, reading
from tests.ingest.line_parser import parse


@pytest.fixture(autouse=True)
def _english(monkeypatch):
    monkeypatch.delenv("LANNA_CONFIG", raising=False)
    texts.set_language("en")
    yield
    texts.set_language(None)


@pytest.fixture
def folder(tmp_path):
    """200 readings and events, one a minute; 120 are settled and the first 100 gone; a segment holds about 80."""
    entries = [event(at) if at % 10 == 9 else reading(at) for at in range(200)]
    fill(tmp_path / "spool", entries, lambda spool: spool.settle("main", 1, 120))
    return tmp_path / "spool"


def test_export_csv(folder, tmp_path):
    done = gateway("export", node_config(tmp_path, folder), "--numbers", "109-112")
    text = done.stdout_bytes.decode()
    assert text.count("\r\n") == text.count("\n") == 8
    table = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [(row["seq"], row["quantity"], row["value"], row["unit"], row["flag"]) for row in table] == [
        ("109", "pm2_5", "118.0", "ug/m3", "2"),
        ("109", "pm10", "128.5", "ug/m3", "2"),
        ("110", "", "", "", ""),
        ("111", "pm2_5", "120.0", "ug/m3", "2"),
        ("111", "pm10", "130.5", "ug/m3", "2"),
        ("112", "pm2_5", "121.0", "ug/m3", "2"),
        ("112", "pm10", "131.5", "ug/m3", "2"),
    ]
    assert json.loads(table[2]["data"]) == {"from": "ok", "to": "silent", "why": "no, power"}
    assert {(row["node"], row["class"], row["device"]) for row in table} == {("node-1", "air", "pms")}
    assert table[0]["t"] == "2026-03-20T11:34:40.000Z"


def test_every_value_is_exported_with_its_flag(tmp_path):
    q = {"*": 2, "pm10": 3, "pm1": 9, "temp": 4}
    fill(tmp_path / "spool", [reading(0, v={"pm2_5": 1e-9, "pm10": 612.0}, q=q, failed={"temp": -300.0})])
    table = csv.DictReader(io.StringIO(gateway("export", tmp_path / "spool").stdout, newline=""))
    assert [(row["quantity"], row["value"], row["flag"]) for row in table] == [
        ("pm2_5", "1e-09", "2"),
        ("pm10", "612.0", "3"),
        ("temp", "-300.0", "4"),
        ("pm1", "", "9"),
    ]


def test_export_lines_are_what_ingest_writes(folder, tmp_path):
    done = gateway("export", folder, "--format", "lines", "--node", "node-1", "--numbers", "109-110")
    spool = int(next(folder.glob("*.seg")).name[:8], 16)
    first, second = parse(done.stdout)
    assert first.measurement == "air"
    assert first.tags == {"node": "node-1", "device": "pms"}
    assert first.fields == {"pm2_5": 118.0, "pm10": 128.5, "q": 2, "seq": 109, "spool": spool}
    assert first.time == (START_MS + 108 * 60_000) * 1_000_000 + 109
    assert (second.measurement, second.tags["event"], second.fields["seq"]) == ("event", "state", 110)


def test_export_to_a_file(tmp_path):
    ahead = reading(0, v={"pm10": 1.0}).__class__(
        "air", "pms", time.time_ns() // 10**6 + 86_400_000, 0, BOOT, True, {"a": 1.0}
    )
    fill(tmp_path / "spool", [reading(0), ahead])
    out = tmp_path / "out.lines"
    done = gateway("export", tmp_path / "spool", "--format", "lines", "--node", "n", "--out", out, "--json")
    assert done.exit_code == 0
    assert json.loads(done.stdout) == {
        "file": str(out), "format": "lines", "entries": 2, "lines": 1, "refused": {"future": 1}, "foreign": 0
    }  # fmt: skip
    assert "ingest would park them: future 1" in done.stderr
    assert len(out.read_text().splitlines()) == 1
    done = gateway("export", tmp_path / "spool", "--out", out)
    assert (done.exit_code, "is there already" in done.output) == (2, True)
    assert len(out.read_text().splitlines()) == 1
