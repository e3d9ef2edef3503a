"""`gateway device address` with simulated meters on ptys: written once, read back, and never blindly."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from drivers.core.registry import find
from gateway.cli import device_address
from gateway.cli.root import build
from gateway.ops import texts
from gateway.sim.instrument import SimulatedDevice
from tests.cli.instruments import on_a_line

SDM, PZEM = find("eastron-sdm630"), find("pzem-004t-v3")


@pytest.fixture(autouse=True)
def _quickly(monkeypatch: pytest.MonkeyPatch):
    texts.set_language("en")
    monkeypatch.setattr(device_address, "_QUIET_S", 0.25)
    yield
    texts.set_language(None)


def change(*args: object, said: str = ""):
    return CliRunner().invoke(build(), ["device", "address", *[str(arg) for arg in args]], input=said)


def test_a_meter_takes_its_new_address_after_a_yes():
    with on_a_line([SimulatedDevice(PZEM, address=1)]) as line:
        done = change(PZEM.name, line.path, "--from", 1, "--to", 7, said="n\n")
        assert done.exit_code == 1
        done = change(PZEM.name, line.path, "--from", 1, "--to", 7, said="y\n")
        assert (done.exit_code, "at address 7, and no more at 1" in done.stdout) == (0, True), done.output
        assert "without mains the write is lost" in done.stdout


def test_where_nobody_answers_nothing_is_written(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(device_address, "_LOOK_S", 0.25)
    with on_a_line([SimulatedDevice(PZEM, address=2)]) as line:
        done = change(PZEM.name, line.path, "--from", 1, "--to", 8, "--yes")
    assert (done.exit_code, "nothing was written" in done.stderr) == (1, True)


def test_an_address_that_is_taken_is_left_alone():
    with on_a_line([SimulatedDevice(SDM, address=1), SimulatedDevice(SDM, seed=2, address=7)]) as line:
        done = change(SDM.name, line.path, "--from", 1, "--to", 7, "--yes")
        assert (done.exit_code, "Somebody answers at address 7" in done.stderr) == (1, True)
        assert change(SDM.name, line.path, "--from", 1, "--to", 9, "--yes").exit_code == 0


def test_a_meter_that_refuses_stays_where_it_is(monkeypatch: pytest.MonkeyPatch):
    meter = SimulatedDevice(SDM, address=1)
    monkeypatch.setattr(type(meter._instrument), "write", lambda self, asked: 4)
    with on_a_line([meter]) as line:
        done = change(SDM.name, line.path, "--from", 1, "--to", 7, "--yes")
    assert (done.exit_code, "refuses: unit 1 answers with exception 4" in done.stderr) == (1, True)
    assert "set mode" in done.stdout


@pytest.mark.parametrize(
    ("driver", "old", "new"),
    [("plantower-pmsx003", 1, 2), ("schneider-iem3000", 1, 2), ("eastron-sdm630", 1, 1), ("eastron-sdm630", 1, 248)],
)
def test_what_cannot_be_is_refused_before_anything_is_opened(driver: str, old: int, new: int):
    assert change(driver, "/dev/no-such-port", "--from", old, "--to", new, "--yes").exit_code == 2
