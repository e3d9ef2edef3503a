"""What is in the way of a port stands in the log once, and in the state of the devices that suffer from it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from drivers.core.contract import Line
from gateway.edge import obstacles
from gateway.edge.loans import Loans
from gateway.edge.obstacles import Obstacles
from gateway.ops import texts
from gateway.ports import Port, PortError
from gateway.ports.findings import Finding
from gateway.wire.control import HeldDevice
from tests.edge.field import Wire
from tests.ports.waiting import until

UNSTEADY = Finding("unsteady", {"said": "/dev/ttyUSB0", "name": "/dev/serial/by-id/a"}, blocks=False)
GETTY = Finding("getty_unit", {"port": "/dev/serial0", "unit": "serial-getty@ttyAMA0.service"})
HELD = Finding("held_other", {"port": "/dev/serial0", "pid": "7", "program": "minicom"})


@pytest.fixture(autouse=True)
def _quickly(monkeypatch: pytest.MonkeyPatch):
    texts.set_language("en")
    monkeypatch.setattr(obstacles, "_PATIENCE_S", 0)
    yield
    texts.set_language(None)


class Site:
    """Ports whose obstacles the test decides; opening fails with `error` while there is one."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.found: dict[str, list[Finding]] = {}
        self.looks = 0
        self.error: PortError | None = None
        self.said: list[tuple[str, str, str]] = []
        monkeypatch.setattr(obstacles.Obstacles.__init__, "__defaults__", (self._see,))
        self.loans = Loans(lambda: 0, self._tell, lambda name, data: None)

    def _see(self, urls):
        self.looks += 1
        return {url: self.found.get(url, []) for url in urls}

    def _tell(self, device: str, state: str, why: str, reason: str = "") -> None:
        self.said.append((device, state, why))

    def share(self, url: str, device: str):
        async def opening() -> Port:
            if self.error is not None:
                raise self.error
            return Wire()

        port = self.loans.share(url, Line(), opening)
        port.devices[device] = HeldDevice(device, "plantower-pmsx003")
        return port


@pytest.fixture
async def site(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Site]:
    made = Site(monkeypatch)
    task = asyncio.create_task(made.loans.obstacles.run())
    yield made
    task.cancel()
    await asyncio.wait((task,))


async def test_a_name_that_will_not_last_is_told_once(site: Site, caplog: pytest.LogCaptureFixture):
    site.found = {"/dev/ttyUSB0": [UNSTEADY]}
    port = site.share("/dev/ttyUSB0", "a")
    for looks in (1, 2, 3):
        await port.open()
        await until(lambda looks=looks: site.looks == looks)
    assert [each.getMessage() for each in caplog.records] == [str(UNSTEADY)]
    assert "write /dev/serial/by-id/a" in caplog.text


async def test_why_a_port_cannot_be_opened_is_what_is_in_its_way(site: Site):
    site.found = {"/dev/serial0": [GETTY, HELD]}
    site.error = PortError("busy", "/dev/serial0")
    port = site.share("/dev/serial0", "a")
    for _ in range(3):
        with pytest.raises(PortError) as refused:
            await port.open()
        assert (refused.value.reason, str(refused.value)) == ("busy", f"{GETTY}; {HELD}")
    assert site.looks == 1  # it is tried every few seconds, and looking costs
    site.error = PortError("absent", "/dev/serial0")
    with pytest.raises(PortError, match="no such port"):
        await port.open()


async def test_a_device_that_gives_nothing_says_what_is_in_the_way(site: Site):
    site.share("/dev/serial0", "a")
    site.share("/dev/ttyUSB0", "b")
    site.loans.on_state("b", "silent", "nothing received")
    site.loans.on_state("a", "silent", "nothing received")
    site.found = {"/dev/serial0": [GETTY], "/dev/ttyUSB0": [UNSTEADY]}
    await until(lambda: len(site.said) == 3)
    assert site.said[-1] == ("a", "silent", f"nothing received; {GETTY}")
    # It goes by itself when the obstacle does.
    site.loans.on_state("a", "ok", "")
    assert site.said[-1] == ("a", "ok", "")
    site.found = {}
    site.loans.on_state("a", "faulty", "noise")
    await until(lambda: site.said[-1] == ("a", "faulty", "noise"))


async def test_what_is_no_port_of_this_machine_is_not_looked_at(site: Site):
    port = site.share("tcp://10.0.0.1:4001", "a")
    await port.open()
    site.error = PortError("refused", "tcp://10.0.0.1:4001")
    with pytest.raises(PortError, match="nothing listens"):
        await port.open()
    await asyncio.sleep(0.01)
    assert site.looks == 0


async def test_really_looking():
    seen = Obstacles(lambda url: None)
    assert await seen.explain(PortError("busy", "/dev/no-such-port")) is not None
    assert seen.of("/dev/no-such-port") == []
