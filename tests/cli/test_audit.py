"""`gateway audit` as a user meets it: real ingest processes, real databases, and rows that somebody took away."""

import asyncio
import contextlib
import json
import sqlite3
import time
import urllib.parse
from contextlib import asynccontextmanager

import pytest
from typer.testing import CliRunner

from gateway.cli.root import build
from gateway.ops import texts
from gateway.wire.times import SECOND, format_time
from tests.ingest.rig import a_node
from tests.rig.gateway import Gateway, backbone_config

SPOOL = "9f3c71aa"
MINUTE = 60 * SECOND
NOON = 1_774_000_000 * SECOND // (86_400 * SECOND) * 86_400 * SECOND + 5 * 3600 * SECOND  # 2026-03-20, 12:00 in Bangkok


@pytest.fixture(autouse=True)
def _english(monkeypatch):
    monkeypatch.delenv("LANNA_CONFIG", raising=False)
    texts.set_language("en")
    yield
    texts.set_language(None)


def audit(*args):
    return CliRunner().invoke(build(), ["audit", *map(str, args)])


def told(done):
    return json.loads(done.stdout)


def late(first, last, device="pms", start=NOON, **more):
    """Readings first … last, one number a minute from `start` on."""
    members = [
        {"device": device, "t": format_time(start + seq * MINUTE), "seq": seq, "v": {"pm10": float(seq)}, **more}
        for seq in range(first, last + 1)
    ]
    return {"spool": SPOOL, "readings": members}


def state(seq, before, after, device="pms", start=NOON):
    data = {"from": before, "to": after, "why": "x"}
    member = {"device": device, "t": format_time(start + seq * MINUTE), "seq": seq, "event": "state", "data": data}
    return {"spool": SPOOL, "readings": [member]}


@asynccontextmanager
async def backbone(tmp_path, broker, sink):
    """A running ingest, its configuration file, and a node at its broker."""
    config = backbone_config(tmp_path, broker=broker.url, sink=f'{sink}\ngrace = "5 s"')
    ingest = Gateway(config)
    async with a_node(broker.url) as node:
        ingest.start()
        try:
            await heard(node)
            yield config, node, ingest
        finally:
            ingest.stop()


async def heard(node):
    """Until the backbone answers: what is published before it has subscribed is nobody's."""
    for _ in range(50):
        await node.birth(1, 1)
        with contextlib.suppress(TimeoutError):
            await node.hear(lambda said: SPOOL in said["spools"], "an answer", timeout_s=0.3)
            return
    raise AssertionError("the backbone does not answer")


def sqlite(tmp_path):
    return f'sqlite = {{ path = "{tmp_path}/readings.sqlite" }}'


async def run_audit(*args):
    return await asyncio.to_thread(audit, *args)


DAY = ("--from", "2026-03-20", "--to", "2026-03-20")
ABOUT = {"rev": 1, "since": None, "driver": "d", "period_s": 60}


async def test_a_day_with_everything_in_it(mosquitto, tmp_path):
    """Stored, parked, declared lost, missing, silent; then rows are taken away, and a parked one is given up."""
    async with backbone(tmp_path, mosquitto, sqlite(tmp_path)) as (config, node, _):
        await node.birth(1, 201)
        await node.publish("air/pms/about", ABOUT, retain=True)
        await node.publish("air/backlog", state(1, "", "ok"))
        await node.publish("air/backlog", late(2, 100))
        await node.publish("air/backlog", late(101, 101, t="2600-01-01T00:00:00Z"))  # parked: future
        await node.publish("lost", {SPOOL: [[102, 110, "spool bound"]]}, retain=True)
        await node.publish("air/backlog", late(111, 150))
        await node.publish("air/backlog", state(151, "ok", "silent"))
        await node.publish("air/backlog", state(180, "silent", "ok"))
        await node.publish("air/backlog", late(181, 200))
        await node.publish("lost", {SPOOL: [[102, 110, "spool bound"], [152, 179, "disk full"]]}, retain=True)
        await node.upto(200)
        clean = await run_audit(*DAY, "--config", config, "--json")
        assert clean.exit_code == 0, clean.output
        found = told(clean)
        assert (found["format"], found["is_accounted"], found["database"]) == (1, True, "sqlite")
        assert (found["from"], found["to"]) == ("2026-03-19T17:00:00.000Z", "2026-03-20T17:00:00.000Z")
        (one,) = found["nodes"]
        assert one["numbers"] == {"stored": 162, "parked": 1, "lost": 37, "missing": 0, "not_yet_due": 0}
        assert one["completeness_percent"] == 81.0
        ranges = [(r["state"], r["reason"], r["first"], r["last"]) for r in one["spools"][0]["ranges"]]
        assert ranges == [
            ("stored", None, 1, 100),
            ("parked", "future", 101, 101),
            ("lost", "spool bound", 102, 110),
            ("stored", None, 111, 151),
            ("lost", "disk full", 152, 179),
            ("stored", None, 180, 200),
        ]
        (device,) = one["devices"]
        assert (device["device"], device["class"], device["period_s"]) == ("pms", "air", 60.0)
        (day,) = device["days"]
        assert day["day"] == "2026-03-20"
        assert (day["stored"], day["lost"], day["parked"]) == (159, 9, 1)
        # From its last reading, at minute 150, until it spoke again at minute 180.
        assert day["silent"] == 29
        assert day["possible"] == sum(
            day[key] for key in ("stored", "silent", "lost", "parked", "late", "off", "unexplained")
        )
        shown = await run_audit(*DAY, "--config", config)
        assert (shown.exit_code, shown.output.splitlines()[-1]) == (0, "Every number is accounted for.")

        with sqlite3.connect(tmp_path / "readings.sqlite") as db:
            assert db.execute("DELETE FROM reading WHERE seq IN (2, 50, 51, 52, 200)").rowcount == 5
        dirty = await run_audit(*DAY, "--config", config, "--json")
        assert dirty.exit_code == 1
        (one,) = told(dirty)["nodes"]
        missing = [r for r in one["spools"][0]["ranges"] if r["state"] == "missing"]
        assert [(r["first"], r["last"], r["reason"]) for r in missing] == [
            (2, 2, "not-in-database"), (50, 52, "not-in-database"), (200, 200, "not-in-database")
        ]  # fmt: skip
        assert told(dirty)["unaccounted"] == 5
        assert (missing[1]["from"], missing[1]["to"]) == ("2026-03-20T05:49:00.000Z", "2026-03-20T05:53:00.000Z")
        shown = await run_audit(*DAY, "--config", config)
        assert shown.exit_code == 1
        assert "UNACCOUNTED: 5 numbers are missing." in shown.output
        command = next(line for line in shown.output.splitlines() if "gateway spool replay" in line)
        assert command.startswith(f"  n1: gateway spool replay --spool {SPOOL} --numbers ")
        assert "50-52" in command
        assert "stored by the ledger's word, not in the database" in shown.output

        parked = CliRunner().invoke(build(), ["parked", "drop", "--all", "--yes", "--config", str(config)])
        assert parked.exit_code == 0, parked.output
        (one,) = told(await run_audit(*DAY, "--config", config, "--json"))["nodes"]
        assert one["numbers"] == {"stored": 157, "parked": 0, "lost": 38, "missing": 5, "not_yet_due": 0}
        assert ("lost", "dropped by a person") in [(r["state"], r["reason"]) for r in one["spools"][0]["ranges"]]

        # What the node still holds comes back, and everything is accounted for again.
        await node.publish("air/backlog", late(1, 52))
        await node.publish("air/backlog", late(200, 200))
        deadline = time.monotonic() + 10
        while (await run_audit(*DAY, "--config", config)).exit_code:
            assert time.monotonic() < deadline


async def test_what_has_not_come(mosquitto, tmp_path):
    """Numbers that were announced: not yet due at first, missing after the grace, also when ingest is stopped."""
    async with backbone(tmp_path, mosquitto, sqlite(tmp_path)) as (config, node, ingest):
        await node.birth(1, 31)
        await node.publish("air/pms/about", ABOUT, retain=True)
        await node.publish("air/backlog", late(1, 10, start=time.time_ns() - 31 * MINUTE))
        await node.publish("air/backlog", late(21, 25, start=time.time_ns() - 31 * MINUTE))
        await node.upto(10)
        first = await run_audit("--from", "-2h", "--config", config, "--json")
        (one,) = told(first)["nodes"]
        # The hole is older than what follows it, the end may still be under way.
        assert one["numbers"] == {"stored": 15, "parked": 0, "lost": 0, "missing": 10, "not_yet_due": 5}
        assert first.exit_code == 1
        (device,) = one["devices"]
        assert (device["total"]["stored"], device["total"]["late"]) == (15, 15)
        ingest.kill()
        deadline = time.monotonic() + 30
        while (one := told(await run_audit("--from", "-2h", "--config", config, "--json"))["nodes"][0])["numbers"][
            "not_yet_due"
        ]:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.2)
        assert one["numbers"]["missing"] == 15
        assert [r["reason"] for r in one["spools"][0]["ranges"] if r["state"] == "missing"] == ["not-arrived"] * 2


async def test_victoriametrics(mosquitto, victoria, tmp_path):
    start = time.time_ns() // MINUTE * MINUTE - 100 * MINUTE
    options = 'org = "o", bucket = "b", retention = "30 days", durable_after = "5 s"'
    sink = f'influx = {{ url = "{victoria.url}", {options} }}'
    async with backbone(tmp_path, mosquitto, sink) as (config, node, _):
        await node.birth(1, 61)
        for device in ("pms", "sds"):
            await node.publish(f"air/{device}/about", ABOUT, retain=True)
        await node.publish("air/backlog", late(1, 20, start=start))
        await node.publish("air/backlog", late(21, 29, "sds", start=start))
        await node.publish("air/backlog", state(30, "ok", "silent", "sds", start=start))
        await node.publish("air/backlog", late(31, 60, start=start))
        await node.upto(60)
        victoria.flush()
        clean = await run_audit("--from", "-3h", "--config", config, "--json")
        assert clean.exit_code == 0, clean.output
        found = told(clean)
        assert found["database"] == "victoriametrics"
        (one,) = found["nodes"]
        assert one["numbers"] == {"stored": 60, "parked": 0, "lost": 0, "missing": 0, "not_yet_due": 0}
        totals = {device["device"]: device["total"] for device in one["devices"]}
        assert (totals["pms"]["stored"], totals["sds"]["stored"]) == (50, 9)
        assert totals["sds"]["silent"] > 60

        match = urllib.parse.urlencode({"match[]": '{device="sds",__name__!~"event.*"}'})
        await asyncio.to_thread(victoria._get, f"/api/v1/admin/tsdb/delete_series?{match}")
        dirty = await run_audit("--from", "-3h", "--config", config, "--json")
        assert dirty.exit_code == 1
        missing = [r for r in told(dirty)["nodes"][0]["spools"][0]["ranges"] if r["state"] == "missing"]
        assert [(r["first"], r["last"], r["reason"]) for r in missing] == [(21, 29, "not-in-database")]

        victoria.stop()
        silent = await run_audit("--from", "-3h", "--config", config)
        assert silent.exit_code == 1
        assert "Cannot prove anything" in silent.output


async def test_duplicates_are_told(mosquitto, tmp_path):
    """One number under two times: it takes a second database or a lying clock, and it is no clean account."""
    async with backbone(tmp_path, mosquitto, sqlite(tmp_path)) as (config, node, _):
        await node.publish("air/backlog", late(1, 5))
        await node.upto(5)
        with sqlite3.connect(tmp_path / "readings.sqlite") as db:
            db.execute(
                "INSERT INTO note SELECT 'event', node, class, device, at + 1000000, spool, seq, 1, '{}', '{}', '{}' "
                "FROM reading WHERE seq = 3"
            )
        done = await run_audit(*DAY, "--config", config)
        assert done.exit_code == 1
        assert "DUPLICATED: 1 numbers" in done.output


async def test_thai(mosquitto, tmp_path):
    async with backbone(tmp_path, mosquitto, sqlite(tmp_path)) as (config, node, _):
        await node.publish("air/backlog", late(1, 5))
        await node.upto(5)
        texts.set_language("th")
        done = await run_audit(*DAY, "--config", config, "--all")
        assert done.exit_code == 0
        assert "ทุกหมายเลขตรวจสอบครบถ้วน" in done.output
        assert await run_audit(*DAY, "--config", config, "--node", "n1", "--timezone", "UTC")
        unknown = await run_audit(*DAY, "--config", config, "--node", "n9")
        assert (unknown.exit_code, "n1" in unknown.output) == (2, True)


@pytest.mark.parametrize("language", ["en", "th"])
def test_help(language):
    done = CliRunner().invoke(build(), ["--lang", language, "audit", "--help"])
    assert done.exit_code == 0
    assert "--from" in done.output
    assert "1" in done.output.splitlines()[-2] + done.output.splitlines()[-1]


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--from", "tomorrow"], "is no time"),
        (["--from", "2026-03-21", "--to", "2026-03-20"], "not before"),
        (["--from", "2036-03-21", "--to", "2036-03-22"], "future"),
        (["--from", "1999-01-01", "--to", "now"], "at once"),
        (["--timezone", "Mars"], "no time zone"),
        (["--node", "A B"], "is no id"),
        (["--config", "/nowhere.toml"], "No such file"),
    ],
)
def test_wrong_usage(tmp_path, args, said):
    config = backbone_config(tmp_path, broker="mqtt://h", sink=sqlite(tmp_path))
    done = audit("--config", config, *args)
    assert (done.exit_code, said in done.output) == (2, True), done.output


def test_no_database_yet(tmp_path):
    config = backbone_config(tmp_path, broker="mqtt://h", sink=sqlite(tmp_path))
    done = audit("--config", config)
    assert done.exit_code == 1
    assert "Cannot prove anything" in done.output
    assert list(tmp_path.iterdir()) == [config]
