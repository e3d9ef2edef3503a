"""`gateway port record` and `replay`: what was on the line comes out of the file again, by value."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time

import pytest
from typer.testing import CliRunner

from drivers.core.contract import Decoded
from drivers.core.modbus import closed
from drivers.core.registry import find
from gateway.cli.port_replay import decode
from gateway.cli.root import build
from gateway.ops import texts
from gateway.ports.capture import Record, read_file
from gateway.sim.instrument import SimulatedDevice
from tests.cli.instruments import on_a_line

PMS = find("plantower-pmsx003")
SDM = find("eastron-sdm630")


@pytest.fixture(autouse=True)
def _language():
    texts.set_language("en")
    yield
    texts.set_language(None)


def gateway(*args: object):
    return CliRunner().invoke(build(), [str(arg) for arg in args])


def test_a_talking_instrument_is_recorded_and_replayed(tmp_path):
    file = tmp_path / "pms.capture"
    with on_a_line([SimulatedDevice(PMS, period_s=0.03)]) as line:
        done = gateway("port", "record", line.path, file, "--max-bytes", 32 * 8, "--seconds", 10)
    # Looked at when all is silent: a frame is on the line before it is in the log.
    said = [dict(owed.values) for owed in line.devices[0].log]
    assert done.exit_code == 0
    assert "256 bytes" in done.stderr
    assert file.read_text().startswith("lanna-capture 1 port=/dev/pts/")
    replayed = json.loads(gateway("port", "replay", file, "--driver", PMS.name, "--json").stdout)
    assert [reading["values"] for reading in replayed["readings"]] == said[:8]
    assert replayed["rejected"] == {}
    times = [reading["t_s"] for reading in replayed["readings"]]
    assert times == sorted(times)
    again = gateway("device", "try", PMS.name, f"replay:{file}?speed=0", "--count", 8, "--json")
    assert json.loads(again.stdout)["readings"] == 8
    other = gateway("port", "replay", file, "--driver", "nova-sds011")
    assert (other.exit_code, other.stdout.splitlines()[-1][:10]) == (0, "0 readings")


def test_a_meter_is_asked_recorded_and_replayed(tmp_path):
    file = tmp_path / "meter.capture"
    with on_a_line([SimulatedDevice(SDM, address=3)]) as line:
        args = ("--driver", SDM.name, "--address", 3, "--seconds", 1.5)
        assert gateway("port", "record", line.path, file, *args).exit_code == 0
    said = [dict(owed.values) for owed in line.devices[0].log]
    records = list(read_file(file))
    assert {record.direction for record in records} == {"<", ">"}
    items = list(decode(SDM, records, {}))
    assert [dict(item.values) for _, item in items if isinstance(item, Decoded)] == said
    assert len(said) == 2
    assert list(decode(SDM, records, {}, address=4)) == []
    assert len(list(decode(SDM, records, {}, address=3))) == 2


def test_a_dialogue_is_recorded_replayed_and_played_again(tmp_path):
    file = tmp_path / "sdi12.capture"
    sensor = SimulatedDevice(find("sdi12"), address=ord("b"))
    with on_a_line([sensor]) as line:
        done = gateway("port", "record", line.path, file, "--driver", "sdi12", "--address", "b", "--seconds", 1.6)
    said = [dict(owed.values) for owed in sensor.log]
    assert done.exit_code == 0
    args = ("port", "replay", file, "--driver", "sdi12", "--address", "b", "--json")
    replayed = json.loads(gateway(*args).stdout)
    assert [reading["values"] for reading in replayed["readings"]] == said
    assert said
    assert replayed["rejected"] == {}
    again = gateway("device", "try", "sdi12", f"replay:{file}?speed=0", "--address", "b", "--json")
    assert json.loads(again.stdout)["last"]["values"] == said[0]


def test_the_same_file_is_decoded_and_is_an_instrument_again(tmp_path):
    file, port = tmp_path / "meter.capture", tmp_path / "port"
    with on_a_line([SimulatedDevice(SDM, address=3)]) as line:
        args = ("--driver", SDM.name, "--address", 3, "--seconds", 1.5)
        assert gateway("port", "record", line.path, file, *args).exit_code == 0
    readings = json.loads(gateway("driver", "decode", SDM.name, "--capture", file, "--json").stdout)["readings"]
    assert len(readings) == 2
    command = [sys.executable, "-m", "gateway", "port", "replay", str(file), "--port-out", str(port), "--again"]
    player = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        deadline = time.monotonic() + 20
        while not port.exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        for _ in range(2):  # each program hears it from its beginning
            tried = gateway("device", "try", SDM.name, port, "--address", 3, "--count", 1, "--json")
            assert json.loads(tried.stdout)["last"]["values"] == readings[0]["values"]
    finally:
        player.send_signal(signal.SIGINT)
    assert "bytes were put on the line" in player.communicate(timeout=10)[0]
    assert not port.exists()


def test_what_is_asked_of_a_capture_must_be_one_thing(tmp_path):
    file = tmp_path / "no.capture"
    file.write_text("nonsense")
    assert gateway("port", "replay", file).exit_code == 2
    assert gateway("port", "replay", file, "--driver", PMS.name, "--port-out", tmp_path / "p").exit_code == 2
    assert gateway("port", "replay", file, "--port-out", tmp_path / "p").exit_code == 1
    assert gateway("port", "replay", file, "--port-out", file).exit_code == 2
    assert gateway("driver", "decode", PMS.name).exit_code == 2
    assert gateway("driver", "decode", PMS.name, "--hex", "00", "--capture", file).exit_code == 2
    assert gateway("driver", "decode", PMS.name, "--capture", file).exit_code == 2


def test_rounds_of_a_capture_with_retries_exceptions_and_foreign_questions():
    (first, second, third) = SDM.kind.requests(1, {})
    meter = SDM.simulate(0, 1)
    foreign = closed(bytes.fromhex("020600010001"))
    gone = closed(bytes.fromhex("018402"))
    records = [
        Record(0.0, "<", b"\x00noise"),
        Record(0.1, ">", first.data),  # no answer
        Record(0.6, ">", first.data),  # asked again
        Record(0.7, "<", meter.answer(first.data, 0)[:9]),
        Record(0.71, "<", meter.answer(first.data, 0)[9:]),
        Record(0.8, ">", foreign),
        Record(0.81, "<", foreign),
        Record(0.9, ">", second.data),
        Record(0.95, "<", gone),
        Record(1.0, ">", third.data),
        Record(1.1, "<", meter.answer(third.data, 0)),
        Record(2.0, ">", first.data),
        Record(2.1, "<", meter.answer(first.data, 0)[:20]),
    ]
    items = list(decode(SDM, records, {}))
    kinds = [type(item).__name__ for _, item in items]
    assert kinds == ["DeviceFault", "Decoded", "Truncated"]
    reading = items[1][1]
    assert reading.quality["thd_voltage_l1"] == 9
    assert "frequency" in reading.values
    assert items[1][0] == 1.1


def test_nothing_is_written_over_and_silence_is_told(tmp_path):
    file = tmp_path / "a.capture"
    with on_a_line([SimulatedDevice(SDM)]) as line:
        done = gateway("port", "record", line.path, file, "--seconds", 0.2)
        assert (done.exit_code, "0 bytes" in done.stderr) == (1, True)
        before = file.read_text()
        done = gateway("port", "record", line.path, file, "--seconds", 0.2)
        assert (done.exit_code, "never written over" in done.stderr) == (2, True)
        assert file.read_text() == before
    done = gateway("port", "record", "/dev/none", tmp_path / "b", "--seconds", 0.2)
    assert (done.exit_code, "no such port" in done.stderr) == (1, True)


def test_a_file_that_is_no_capture(tmp_path):
    file = tmp_path / "x"
    file.write_text("hello\n")
    done = gateway("port", "replay", file, "--driver", PMS.name)
    assert (done.exit_code, "line 1" in done.stderr) == (2, True)
    assert gateway("port", "replay", tmp_path / "none", "--driver", PMS.name).exit_code == 2


def test_ctrl_c_ends_a_recording_whole(tmp_path):
    file = tmp_path / "pms.capture"
    with on_a_line([SimulatedDevice(PMS, period_s=0.02)]) as line:
        child = subprocess.Popen(
            [sys.executable, "-m", "gateway", "port", "record", line.path, file], stderr=subprocess.PIPE, text=True
        )
        deadline = time.monotonic() + 10
        while (not file.exists() or file.read_text().count("\n") < 4) and time.monotonic() < deadline:
            time.sleep(0.01)
        child.send_signal(signal.SIGINT)
        _, told = child.communicate(timeout=10)
    assert child.returncode == 0
    assert f"are in {file}" in told
    assert len(list(read_file(file))) >= 3
