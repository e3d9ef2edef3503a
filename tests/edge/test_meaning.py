"""From a station's values to entries: flags on the wire, memory over restarts, alarms that stand, replayed history."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from pathlib import Path

import pytest

from gateway.edge.instruments import FILE, Instrument, add_instrument
from gateway.meaning.chain import Chain
from gateway.wire.entry import Entry
from tests.edge.machine import Machine
from tests.edge.meaning_bench import Bench, chain

GAUGE = """
steps = [
  { use = "filter", quantity = "distance", size = 5, floor = 0.02 },
  { use = "stage", history = [{ since = 2026-01-01, height = 8.5, author = "survey" }] },
  { use = "rate-of-rise" },
  { use = "gross-range", quantity = "stage", usual = [0.2, 4.5] },
  { use = "spike", quantity = "stage", suspect = 0.5 },
  { use = "rate-of-change", quantity = "stage", suspect = 0.05 },
  { use = "flat-line", quantity = "stage", tolerance = 0.001, suspect = "20 min", fail = "1 h" },
  { use = "attenuated-signal", quantity = "stage", window = "30 min", suspect = 0.001 },
]
alarms = [
  { use = "flood", warning = 3.7, critical = 4.2 },
  { use = "rise", above = 0.5 },
  { use = "silent", after = "10 min" },
]
"""
METER = """
steps = [
  { use = "transformers", ct = 40 },
  { use = "total", most_w = 100000, wraps_at = 40000 },
  { use = "energy-balance", window = "10 min" },
]
alarms = [{ use = "voltage" }]
"""
AIR = """
steps = [
  { use = "calibration", quantity = "pm2_5", history = [
    { since = 2026-01-01, gain = 1.1, offset = -1.0, author = "Anan" },
    { since = 2026-09-21T20:00:00Z, gain = 1.3 },
  ] },
  { use = "correction", formula = "airnow-fasm-2021-10" },
  "means", "nowcast", "aqi-th", "aqi-us",
  { use = "neighbour", quantity = "pm2_5", other = "air-2/pm2_5", absolute = 5, relative = 0.7 },
]
alarms = ["smoke"]
"""


def chains() -> Mapping[str, Chain]:
    return {
        "gauge": chain(GAUGE, "distance"),
        "meter": chain(METER, "energy_import", "active_power", "voltage", "current"),
        "air": chain(AIR, "pm2_5", "pm10", "relative_humidity"),
        "air-2": chain("", "pm2_5"),
        "rain": chain('steps = ["rain"]', "rain_counter"),
    }


def walk(seed: int, count: int) -> list[tuple[str, dict[str, float], dict[str, object]]]:
    """Readings of all devices, with what field and wire do to them."""
    rng = random.Random(seed)
    distance, energy, pm, rain = 5.0, 990.0, 60.0, 100.0
    made: list[tuple[str, dict[str, float], dict[str, object]]] = []
    for _ in range(count):
        distance = min(8.0, max(3.8, distance + rng.gauss(-0.03, 0.05)))
        energy = 0.0 if rng.random() < 0.02 else (energy + rng.random() * 0.02) % 1000
        pm, rain = max(0.0, pm + rng.gauss(0, 4)), rain + rng.choice([0, 0, 0, 0.2])
        echo = rng.choice([0.3, 119.0]) if rng.random() < 0.05 else distance
        more: dict[str, object] = {"quality": {"distance": 9}} if rng.random() < 0.03 else {}
        made.append(("gauge", {} if more else {"distance": round(echo, 3)}, more))
        serial = "A" if len(made) < 3 * count else "B"
        meter = {"energy_import": round(energy, 2), "active_power": 500.0, "voltage": rng.choice([230.0, 260.0])}
        made.append(("meter", {**meter, "current": 2.2}, {"serial": serial}))
        made.append(("air-2", {"pm2_5": round(pm * rng.choice([1, 1, 3]), 1)}, {}))
        made.append(("air", {"pm2_5": round(pm, 1), "pm10": round(pm * 1.3), "relative_humidity": 55.0}, {}))
        made.append(("rain", {"rain_counter": round(rain, 1)}, {}))
    return made


def content(entries: list[Entry]) -> list[object]:
    """What must not depend on restarts."""
    return [(e.device, e.at_ms, e.v, e.q, e.failed, e.event, e.data) for e in entries]


@pytest.mark.parametrize("seed", [1, 2])
async def test_restarted_at_any_reading_it_says_the_same(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    steady, restarted = Bench(tmp_path / "a", chains), Bench(tmp_path / "b", chains)
    for device, values, more in walk(seed, 40):
        for bench in (steady, restarted):
            bench.read(device, values, after_s=12.0, **more)
        if rng.random() < 0.1:
            await restarted.watch.snapshot()
        if rng.random() < 0.3:
            await (restarted.kill() if rng.random() < 0.8 else restarted.stop())
    assert content(await steady.entries()) == content(await restarted.entries())
    assert {topic: json.loads(p) for topic, p in steady.retained.items()} == {
        topic: json.loads(p) for topic, p in restarted.retained.items()
    }
    assert steady.meaning.state() == restarted.meaning.state()
    kinds = {entry.event for entry in await steady.entries()}
    assert {"", "alarm"} < kinds


async def test_the_default_chain_holds_values_to_the_vocabulary(tmp_path: Path) -> None:
    bench = Bench(tmp_path, lambda: {"a": chain("", "pm2_5"), "b": chain("steps = []", "pm2_5")})
    for device in ("a", "b"):
        bench.read(device, {"pm2_5": 12.0, "pm10": -1.0, "energy_import": 5.0, "x_acme_y": 1.0}, quality={"pm1": 9})
    tested, bare = await bench.entries()
    assert (tested.v, tested.failed) == ({"pm2_5": 12.0, "energy_import": 5.0, "x_acme_y": 1.0}, {"pm10": -1.0})
    assert tested.q == {"pm10": 4, "x_acme_y": 2, "pm1": 9}
    assert (bare.q, bare.failed) == ({"*": 2, "pm1": 9}, {})


async def test_a_snapshot_is_never_ahead_of_the_spool_and_the_spool_keeps_what_comes_after_it(tmp_path: Path) -> None:
    bench = Bench(tmp_path, chains)
    for device, values, more in walk(3, 300):
        bench.read(device, values, **more)
    await bench.watch.snapshot()
    said = json.loads((tmp_path / "meaning.json").read_text())
    assert said["seq"] == bench.spool.committed
    for device, values, more in walk(4, 300):
        bench.read(device, values, **more)
    await bench.spool.flush()
    bench.spool.settle("main", 1, bench.spool.committed)
    bench.read("rain", {"rain_counter": 500.0})
    await bench.spool.flush()
    await bench.spool.flush()
    assert bench.spool.first <= said["seq"] + 1
    assert bench.spool.first > 1
    before = bench.meaning.state()
    await bench.kill()
    assert bench.meaning.state() == before
    await bench.watch.snapshot()
    bench.read("rain", {"rain_counter": 500.2})
    await bench.spool.flush()
    await bench.spool.flush()
    assert bench.spool.first > said["seq"] + 1


async def test_an_event_cut_off_from_its_reading_is_made_good(tmp_path: Path) -> None:
    bench = Bench(tmp_path, lambda: {"gauge": chain(GAUGE, "distance")})
    for _ in range(3):
        bench.read("gauge", {"distance": 5.0})
    await bench.watch.snapshot()
    put, kept = bench.recorder._put, []

    def losing(device: str, stamp: object, **content: object) -> int:
        if content.get("event"):
            kept.append(content["event"])
            return 0
        return put(device, stamp, **content)  # type: ignore[arg-type]

    bench.recorder._put = losing  # type: ignore[method-assign, assignment]
    for _ in range(8):
        bench.read("gauge", {"distance": 3.5})
    assert kept
    await bench.kill()
    events = [entry for entry in await bench.entries() if entry.event]
    assert [event.event for event in events] == kept
    await bench.kill()
    assert len([entry for entry in await bench.entries() if entry.event]) == len(kept)


async def test_records_of_the_past_and_of_an_outage_raise_nothing(tmp_path: Path) -> None:
    bench = Bench(tmp_path, lambda: {"gauge": chain(GAUGE, "distance")})
    for _ in range(3):
        bench.read("gauge", {"distance": 6.0})
    for _ in range(5):
        bench.read("gauge", {"distance": 3.0}, is_past=True, after_s=1.0)
    entries = await bench.entries()
    assert [entry.event for entry in entries] == [""] * 8
    assert entries[-1].is_past
    assert entries[-1].v["stage"] == 5.5
    assert "stage_rate" not in entries[-1].v
    await bench.kill()
    bench.read("gauge", {"distance": 6.0}, after_s=1.0)
    assert not any(entry.event for entry in await bench.entries())
    assert bench.retained == {}


async def test_alarms_stand_on_the_broker_and_go_with_their_rule(tmp_path: Path) -> None:
    rule = '{ use = "silent", after = "5 min" }'
    rules = [f'alarms = [{rule}, {{ use = "threshold", id = "hot", quantity = "pm2_5", above = 50 }}]']
    bench = Bench(tmp_path, lambda: {"a": chain(rules[0], "pm2_5")}, device_class="air")
    bench.read("a", {"pm2_5": 60.0})
    bench.read("a", {"pm2_5": 10.0})
    for _ in range(400):
        bench.machine.advance(1)
        bench.watch.tick()
    events = [entry.data for entry in await bench.entries() if entry.event == "alarm"]
    assert [(e["rule"], e["state"]) for e in events] == [("hot", "raised"), ("hot", "cleared"), ("silent", "raised")]
    silent = json.loads(bench.retained["r/n/air/a/alarm/silent"])
    assert (silent["state"], silent["level"]) == ("raised", "warning")
    assert silent["value"] == pytest.approx(300, abs=1.1)
    await bench.kill()
    births = {m.topic: m.payload for m in bench.presence.birth()}
    assert json.loads(births["r/n/air/a/alarm/silent"]) == silent
    assert json.loads(births["r/n/air/a/alarm/hot"])["state"] == "cleared"
    rules[0] = f"alarms = [{rule}]"
    await bench.stop()
    assert {m.topic: m.payload for m in bench.presence.birth()}["r/n/air/a/alarm/hot"] == b""
    for _ in range(70):  # connected for over a minute: the broker has taken it
        bench.machine.advance(1)
        bench.watch.tick()
    await bench.stop()
    assert "r/n/air/a/alarm/hot" not in {m.topic for m in bench.presence.birth()}
    assert "r/n/air/a/alarm/silent" in {m.topic for m in bench.presence.birth()}


async def test_a_clock_that_is_set_is_neither_silence_nor_a_hold_time(tmp_path: Path) -> None:
    machine = Machine()  # its clock says 1970
    text = """
    alarms = [
      { use = "silent", after = "5 min" },
      { use = "threshold", id = "hot", quantity = "pm2_5", above = 50, hold = "1 h" },
    ]
    """
    bench = Bench(tmp_path, lambda: {"a": chain(text, "pm2_5")}, machine)
    bench.read("a", {"pm2_5": 60.0})
    machine.sync()
    for _ in range(3):
        bench.read("a", {"pm2_5": 60.0})
    assert not [entry for entry in await bench.entries() if entry.event]


async def test_a_reboot_without_a_clock_forgets_nothing(tmp_path: Path) -> None:
    text = (
        'steps = [{ use = "calibration", quantity = "pm2_5", history = [{ since = 2026-01-01, gain = 2.0 }] }, "means"]'
    )
    bench = Bench(tmp_path, lambda: {"a": chain(text, "pm2_5")})
    for _ in range(60):
        bench.read("a", {"pm2_5": 20.0})
    assert (await bench.entries())[-1].v["pm2_5_1h"] == 40.0
    await bench.stop()
    bench.machine.reboot(30)  # its clock says 1970 again
    await bench.kill()
    bench.read("a", {"pm2_5": 20.0})
    entry = (await bench.entries())[-1]
    assert not entry.is_trusted
    assert entry.v["pm2_5"] == 40.0  # the calibration that held holds
    assert entry.v["pm2_5_1h"] == 40.0


async def test_a_week_of_outage_costs_the_windows_and_no_total(tmp_path: Path) -> None:
    bench = Bench(tmp_path, chains)
    meter = {"active_power": 500.0, "voltage": 230.0, "current": 2.2}
    for number in range(10):
        bench.read("meter", {**meter, "energy_import": 100 + number / 100})
        bench.read("air", {"pm2_5": 30.0, "pm10": 40.0, "relative_humidity": 50.0})
    await bench.stop()
    bench.machine.advance(7 * 86400)
    for number in range(3):
        bench.read("meter", {**meter, "energy_import": 500 + number / 100})
        bench.read("air", {"pm2_5": 30.0, "pm10": 40.0, "relative_humidity": 50.0})
    entries = await bench.entries()
    last = next(entry for entry in reversed(entries) if entry.device == "meter" and not entry.event)
    # 40 times the register: the transformers; the newest reading waits for its confirmation.
    assert last.v["energy_import_total"] == pytest.approx(40 * (500.01 - 100.01))
    assert "pm2_5_1h" not in entries[-1].v


@pytest.mark.parametrize("is_killed", [False, True])
async def test_a_replaced_instrument_keeps_the_series(is_killed: bool, tmp_path: Path) -> None:
    text = 'steps = [{ use = "total", most_w = 60000 }]'
    bench = Bench(tmp_path, lambda: {"m": chain(text, "energy_import", "voltage")}, device_class="energy")
    for number in range(5):
        bench.read("m", {"energy_import": 100 + number / 10, "voltage": 230.0}, serial="A1")
    await bench.watch.snapshot()
    at = bench.machine.wall_ns()
    add_instrument(tmp_path / FILE, "m", Instrument("B2", at, "", "Anan", "burnt", (("voltage", 1.01, 0.5),)))
    bench.watch.tick()
    if is_killed:
        await bench.kill()
    for number in range(5):
        bench.read("m", {"energy_import": number / 10, "voltage": 230.0}, serial="B2")
        if is_killed:
            await bench.kill()
    entries = await bench.entries()
    told = [entry.data for entry in entries if entry.event == "replaced"]
    assert told == [
        {
            "serial": "B2",
            "old": "A1",
            "at": at,
            "author": "Anan",
            "note": "burnt",
            "calibration": [["voltage", 1.01, 0.5]],
        }
    ]
    assert {entry.event for entry in entries} == {"", "replaced"}  # no reset, no glitch: it was said
    readings = [entry for entry in entries if not entry.event]
    totals = [entry.v["energy_import_total"] for entry in readings]
    assert totals == sorted(totals)
    # What the old one showed last was never confirmed; the new one begins with its second reading.
    assert totals[-1] == pytest.approx(0.2 + 0.2)
    assert [entry.v["voltage"] for entry in readings[4:6]] == [230.0, pytest.approx(232.8)]
    assert readings[5].v["voltage_raw"] == 230.0
    about = json.loads(bench.retained["r/n/energy/m/about"])
    assert about["serial"] == "B2"
    assert about["units"]["voltage_raw"] == "V"
    assert "calibration/1 voltage since 2026-09-21 (Anan)" in about["steps"]
