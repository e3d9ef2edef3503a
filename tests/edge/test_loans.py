"""A port that is lent: closed for the node, its devices absent for that reason, the time counted, all back after."""

from __future__ import annotations

import pytest

from drivers.core.contract import Line
from drivers.core.registry import find
from gateway.edge.loans import BORROWED, Loans, SharedPort
from gateway.edge.making import make_station
from gateway.edge.station import DeviceSpec
from gateway.ops import texts
from gateway.ports import Bus, Port, PortError, PortLost
from gateway.sim.instrument import SimulatedDevice
from gateway.wire.control import HeldDevice
from tests.edge.field import Ear, Wire, living
from tests.ports.virtual_clock import VirtualClock
from tests.ports.waiting import until

PMS = find("plantower-pmsx003")
SECOND = 1_000_000_000


@pytest.fixture(autouse=True)
def _language():
    texts.set_language("en")
    yield
    texts.set_language(None)


class Book:
    """What a node would be told."""

    def __init__(self) -> None:
        self.states: list[tuple[str, str, str]] = []
        self.whys: list[str] = []
        self.events: list[tuple[str, dict[str, object]]] = []
        self.now_ns = 0
        self.loans = Loans(lambda: self.now_ns, self._tell, lambda name, data: self.events.append((name, dict(data))))

    def _tell(self, device: str, state: str, why: str, reason: str = "") -> None:
        self.states.append((device, state, reason))
        self.whys.append(why)

    def share(self, *devices: str, url: str = "/dev/wire", wire: Wire | None = None) -> SharedPort:
        async def opening() -> Port:
            return wire if wire is not None else Wire()

        port = self.loans.share(url, Line(), opening)
        port.devices |= {name: HeldDevice(name, "plantower-pmsx003") for name in devices}
        return port


async def test_its_devices_are_absent_for_that_reason_and_then_what_they_were():
    book = Book()
    port = book.share("a", "b")
    book.loans.on_state("a", "ok", "")
    book.now_ns = 5 * SECOND
    await book.loans.lend(port, "gateway port scan (process 7)")
    assert book.states == [("a", "ok", ""), ("a", "absent", BORROWED), ("b", "absent", BORROWED)]
    assert "gateway port scan (process 7)" in book.whys[-1]
    book.now_ns = 12 * SECOND
    assert book.loans.borrowed_s("a") == 7
    book.loans.take_back(port)
    assert book.states[3:] == [("a", "ok", "")]  # nothing was known of b before
    book.now_ns = 90 * SECOND
    assert (book.loans.borrowed_s("a"), book.loans.borrowed_s("b"), book.loans.borrowed_s("c")) == (7, 7, 0)
    assert [name for name, _ in book.events] == ["port-borrowed", "port-returned"]
    assert book.events[1][1] == {"port": "/dev/wire", "by": "gateway port scan (process 7)", "borrowed_s": 7.0}


async def test_times_add_up():
    book = Book()
    port = book.share("a")
    for number in range(3):
        await book.loans.lend(port, f"somebody ({number})")
        book.now_ns += 2 * SECOND
        book.loans.take_back(port)
        book.now_ns += 3 * SECOND
    assert book.loans.borrowed_s("a") == 6


async def test_what_a_station_says_meanwhile_waits():
    book = Book()
    port = book.share("a")
    book.loans.on_state("a", "ok", "")
    await book.loans.lend(port, "somebody")
    book.loans.on_state("a", "silent", "nothing received")
    assert book.states[-1] == ("a", "absent", BORROWED)
    book.loans.take_back(port)
    assert book.states[-1] == ("a", "silent", "")


async def test_it_is_closed_and_opens_again_only_when_it_is_back():
    wire = Wire()
    book = Book()
    port = book.share("a", wire=wire)
    opened = await port.open()
    assert port.is_open
    await book.loans.lend(port, "somebody")
    assert wire.is_closed
    assert not port.is_open
    with pytest.raises(PortError, match="borrowed by somebody") as refused:
        await port.open()
    assert refused.value.reason == "borrowed"
    wire.unplug()
    with pytest.raises(PortLost) as lost:
        await opened.read()
    assert lost.value.reason == "borrowed"
    book.loans.take_back(port)
    await port.open()
    assert port.is_open


async def test_a_tap_hears_both_ways_until_it_ends():
    wire, heard = Wire(), []
    port = Book().share("a", wire=wire)
    end = port.tap(lambda direction, data: heard.append((direction, data)))
    opened = await port.open()
    await opened.write(b"?")
    wire.say(b"!")
    assert await opened.read() == b"!"
    end()
    await opened.write(b"?")
    assert heard == [(">", b"?"), ("<", b"!")]


async def test_any_name_of_a_port_finds_it(tmp_path):
    tty = tmp_path / "ttyUSB0"
    tty.touch()
    link = tmp_path / "by-id"
    link.symlink_to(tty)
    book = Book()
    port = book.share("a", url=str(link))
    far = book.share("b", url="tcp://10.0.0.1:4001")
    assert book.loans.find(str(tty)) is book.loans.find(str(link)) is port
    assert book.loans.find("tcp://10.0.0.1:4001") is far
    assert book.loans.find(str(tmp_path / "ttyUSB1")) is None
    assert book.loans.find("") is None


async def test_a_listening_station_comes_back_by_itself():
    clock, ear, wires = VirtualClock(), Ear(), []
    loans = Loans(clock.mono_ns, lambda d, s, w, reason="": ear.on_state(d, s, reason or w), lambda name, data: None)

    async def opening() -> Port:
        wires.append(Wire())
        return wires[-1]

    port = loans.share("/dev/wire", Line(), opening)
    port.devices["a"] = HeldDevice("a", PMS.name)
    frame = SimulatedDevice(PMS).tick()
    station = make_station(DeviceSpec("a"), PMS, port.open, clock, ear.emit, loans.on_state)
    async with living(station):
        await clock.advance(1)
        wires[0].say(frame)
        await until(lambda: len(ear.reports) == 1)
        await loans.lend(port, "somebody")
        wires[0].unplug()  # what closing does to a real one's reader
        await clock.advance(10)
        assert (len(wires), ear.states[-1]) == (1, ("absent", BORROWED))
        loans.take_back(port)
        assert ear.states[-1] == ("absent", BORROWED)  # until it is heard
        await clock.advance(5)
        assert len(wires) == 2
        wires[1].say(frame)
        await until(lambda: len(ear.reports) == 2)
    assert ear.words == ["ok", "absent", "ok"]


async def test_a_bus_lets_go_between_two_turns_and_opens_again():
    wires, book = [], Book()

    async def opening() -> Port:
        wires.append(Wire())
        return wires[-1]

    port = book.loans.share("/dev/wire", Line(), opening)
    bus = Bus("bus-1", port.open, Line())
    port.on_lend.append(bus.close)
    async with bus.turn("a"):
        pass
    await book.loans.lend(port, "somebody")
    assert wires[0].is_closed
    book.loans.take_back(port)
    async with bus.turn("a"):  # nothing was lost, so nothing is waited for
        assert len(wires) == 2
