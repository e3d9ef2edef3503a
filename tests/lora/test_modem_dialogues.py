"""Modems on ptys, each in its own words: set up and verified, heard, reset in mid-run, unplugged, refusing."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from drivers.core.contract import Line
from drivers.core.registry import find
from gateway.edge.station import DeviceSpec, Report
from gateway.lora.counters import CounterBook
from gateway.lora.hub import Hub
from gateway.lora.keys import new_keys
from gateway.lora.modem import ModemInlet, OnAir
from gateway.lora.modems.kinds import DIALOGUES
from gateway.lora.modems.settings import RadioSettings
from gateway.lora.receiver import Desk
from gateway.lora.sessions import Session
from gateway.lora.station import RadioStation
from gateway.ports import open_port
from gateway.ports.ticks import SystemTicks
from gateway.sim.radio_modem import Kind, SimulatedModem
from gateway.sim.radio_sender import Air, RadioSender, Weather
from tests.lora.radio import open_spool

KINDS: tuple[Kind, ...] = ("rylr998", "rak3172", "rak3172-legacy", "rn2483", "e22")


class Clock(SystemTicks):
    def wall_ns(self) -> int:
        return self.mono_ns() + 1_790_000_000 * 10**9


class Bench:
    """A simulated modem, and the inlet that leads it."""

    def __init__(self, folder: Path, kind: Kind, wanted: RadioSettings, weather: Weather) -> None:
        driver = find("cayenne-lpp")
        sender = RadioSender("gauge", driver, 0x01000001, new_keys())
        self.air = Air(sender, weather, seed=3)
        self.sim = SimulatedModem(kind, [self.air], link=folder / "modem", period_s=0.15 if kind == "e22" else 0.02)
        self.reports: list[Report] = []
        self.states: list[tuple[str, str]] = []
        self.spool = open_spool(folder / "spool")
        clock = Clock()
        spec = DeviceSpec("gauge", silence_s=60, options={k: o.default for k, o in driver.options.items()})
        self.station = RadioStation(spec, driver, clock, self.reports.append, lambda *_: None, lambda *_: None)
        session = Session("gauge", sender.dev_addr, sender.keys)
        hub = Hub({"gauge": self.station}, [session], CounterBook(self.spool), clock, window_s=0.0)
        self.desk = Desk("roof", hub, lambda _, state, why: self.states.append((state, why)))
        opening = functools.partial(open_port, self.sim.path, Line(115200))
        dialogue = DIALOGUES[kind.removesuffix("-legacy")](wanted)
        self.inlet = ModemInlet(self.desk, dialogue, opening, clock, OnAir(9, 125_000, 923_200_000))

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(8):
            while not condition():
                await asyncio.sleep(0.005)


@asynccontextmanager
async def bench(
    folder: Path, kind: Kind, wanted: RadioSettings | None = None, weather: Weather | None = None
) -> AsyncIterator[Bench]:
    made = Bench(folder, kind, wanted or RadioSettings(), weather or Weather())
    tasks = [asyncio.create_task(made.sim.run()), asyncio.create_task(made.inlet.run())]
    try:
        yield made
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        made.spool.release()


SETTINGS = {
    "rylr998": {"BAND": "923200000", "PARAMETER": "9,7,1,12", "NETWORKID": "18", "ADDRESS": "0", "MODE": "0"},
    "rak3172": {"NWM": "0", "P2P": "923200000:9:125:0:12:14", "SYNCWORD": "1424", "PRECV": "65534"},
    "rak3172-legacy": {"NWM": "0", "P2P": "923200000:9:125:0:12:14", "PRECV": "65535"},
    "rn2483": {"freq": "923200000", "sf": "sf9", "bw": "125", "cr": "4/5", "sync": "12", "wdt": "0", "mod": "lora"},
    "e22": {"registers": "00001262004980"},
}


@pytest.mark.parametrize("kind", KINDS)
async def test_a_modem_is_set_up_and_heard(kind: Kind, tmp_path: Path) -> None:
    wanted = RadioSettings(frequency_hz=923_125_000) if kind == "e22" else RadioSettings()
    async with bench(tmp_path, kind, wanted) as made:
        await made.until(lambda: len(made.reports) >= 3)
        assert made.sim.modem.settings == SETTINGS[kind]
        assert made.states == [("ok", "")]
        values = made.reports[0].decoded.values
        assert "distance__3" in values
        assert values["frame_counter"] == 0
        assert made.reports[0].via == ("roof",)
        assert ("snr" in values) == (kind in ("rylr998", "rak3172", "rak3172-legacy"))


@pytest.mark.parametrize("kind", ["rylr998", "rak3172", "rak3172-legacy", "rn2483"])
async def test_a_modem_that_is_reset_in_mid_run_is_set_up_again(kind: Kind, tmp_path: Path) -> None:
    async with bench(tmp_path, kind) as made:
        await made.until(lambda: len(made.reports) >= 2)
        made.sim.reset()
        count = len(made.reports)
        await made.until(lambda: len(made.reports) >= count + 3)
        assert made.desk.resets == 1
        assert made.sim.modem.settings == SETTINGS[kind]
        counters = [report.decoded.values["frame_counter"] for report in made.reports]
        assert counters == sorted(set(counters))


async def test_a_modem_is_heard_through_bad_weather(tmp_path: Path) -> None:
    weather = Weather(loss=0.2, copy=0.3, replay=0.3, wrong_key=0.3, flip=0.3, cut=0.3)
    async with bench(tmp_path, "rylr998", weather=weather) as made:
        await made.until(lambda: made.air.sent >= 60)
        made.air.sender.is_mute = True
        await made.until(lambda: len(made.reports) == made.air.sender.owed)
        counters = [report.decoded.values["frame_counter"] for report in made.reports]
        assert counters == sorted(set(counters))
        rejected = made.station.counters.rejected
        assert set(rejected) == {"Integrity", "Replay", "Repeat"}
        lost_at_the_end = made.air.sent - 1 - counters[-1]
        assert made.station.counters.lost_in_air + counters[0] + lost_at_the_end == made.air.lost


async def test_a_refused_setting_is_said_with_the_command(tmp_path: Path) -> None:
    async with bench(tmp_path, "rylr998", RadioSettings(network_id=77)) as made:
        await made.until(lambda: bool(made.states))
        (state,) = made.states
        assert state[0] == "faulty"
        assert "AT+NETWORKID=77: +ERR=4" in state[1]


async def test_a_pulled_cable_is_told_and_mended(tmp_path: Path) -> None:
    async with bench(tmp_path, "rak3172") as made:
        await made.until(lambda: len(made.reports) >= 1)
        made.sim._cable.unplug()
        await made.until(lambda: made.states[-1][0] == "absent")
        made.sim.modem.reset()
        made.sim._cable.plug()
        count = len(made.reports)
        await made.until(lambda: len(made.reports) > count)
        assert [state for state, _ in made.states] == ["ok", "absent", "ok"]
