"""`gateway device try` with simulated instruments on real ptys."""

from __future__ import annotations

import json
import os
import threading
import tty
from collections import Counter
from pathlib import Path

import pytest
from typer.testing import CliRunner

from drivers.core.registry import find
from gateway.cli.device_trial import Tally
from gateway.cli.device_verdict import judge
from gateway.cli.root import build
from gateway.config.named import read_file
from gateway.ops import texts
from gateway.sim.faults import Faults
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


def trial(*args: object) -> tuple[int, dict]:
    done = gateway("device", "try", *args, "--json")
    return done.exit_code, json.loads(done.stdout)


def test_a_listening_instrument_that_works():
    with on_a_line([SimulatedDevice(PMS, period_s=0.05)]) as line:
        done = gateway("device", "try", "plantower-pmsx003", line.path, "--count", 3, "--seconds", 10)
        assert done.exit_code == 0
        assert "It works: 3 readings" in done.stdout
        assert "pm2_5 " in done.stdout
        code, facts = trial("pmsx003" if "pmsx003" in PMS.aliases else PMS.name, line.path, "--count", 2)
        assert (code, facts["verdict"]["key"], facts["rejected"]) == (0, "good", {})
        last = {dict(owed.values)["pm2_5"] for owed in line.devices[0].log}
        assert facts["last"]["values"]["pm2_5"] in last


def test_a_meter_that_works_and_one_at_another_address():
    with on_a_line([SimulatedDevice(SDM, address=7)]) as line:
        code, facts = trial("eastron-sdm630", line.path, "--address", 7, "--count", 1)
        assert (code, facts["verdict"]["key"], facts["unanswered"]) == (0, "good", 0)
        assert facts["last"]["values"]["frequency"] == pytest.approx(50, abs=1)
        code, facts = trial("eastron-sdm630", line.path, "--address", 8, "--seconds", 0.8)
        assert (code, facts["verdict"]["key"], facts["bytes"]) == (1, "unanswered", 0)
        assert "gateway port scan" in facts["verdict"]["text"]
        assert facts["last"] is None


def test_a_meter_that_only_its_site_knows():
    file = Path(__file__).parents[2] / "config" / "meters" / "pump-house.toml"
    with on_a_line([SimulatedDevice(read_file(file).driver)]) as line:
        for name in (file, f"file:{file}"):
            code, facts = trial(name, line.path, "--count", 1)
            assert (code, facts["driver"], facts["verdict"]["key"]) == (0, "pump-house", "good")
            assert set(facts["last"]["values"]) == {
                "voltage",
                "active_power",
                "energy_import",
                "water_temperature",
            }
    done = gateway("device", "try", file.with_name("none.toml"), "/dev/null")
    assert (done.exit_code, "none.toml" in done.output) == (2, True)


def test_a_sensor_that_is_talked_with():
    with on_a_line([SimulatedDevice(find("sdi12"), address=ord("a"))]) as line:
        named = "values=water_depth cm, -, water_temperature Cel"
        code, facts = trial("sdi12", line.path, "--address", "a", "--option", named)
        assert (code, facts["verdict"]["key"], facts["readings"], facts["questions"]) == (0, "good", 1, 3)
        assert set(facts["last"]["values"]) == {"water_depth", "water_temperature"}
        assert facts["last"]["info"]["model"] == "GAUGE"
        code, facts = trial("sdi12", line.path, "--address", "b", "--seconds", 0.8)
        assert (code, facts["verdict"]["key"], facts["bytes"]) == (1, "mute", 0)
        assert "one data wire" in facts["verdict"]["text"]
        code, facts = trial("sdi12", line.path, "--address", "a", "--baud", "2400", "--seconds", 0.8)
        assert (code, facts["verdict"]["key"]) == (1, "mute")
        done = gateway("device", "try", "sdi12", line.path, "--address", "ab")
        assert (done.exit_code, "no bus address" in done.output) == (2, True)
        done = gateway("device", "try", "sdi12", line.path, "--option", "values=water_dept m")
        assert (done.exit_code, "did you mean 'water_depth'" in done.output) == (2, True)


def test_an_optical_head_and_its_echo():
    device = SimulatedDevice(find("iec62056-21"))
    with on_a_line([device]) as line:
        code, facts = trial("iec62056-21", line.path)
        assert (code, facts["verdict"]["key"], facts["readings"], facts["rejected"]) == (0, "good", 1, {})
        assert facts["last"]["values"] == device.log[0].values
    echo = Tally(arrived=10, sent=10, echoed=True, asked=2, unanswered=2)
    verdict = judge(find("iec62056-21"), echo, port="p", line="300 7E1", address=1)
    assert (verdict.key, verdict.is_good) == ("only_echo", False)
    assert "round window" in verdict.text


def test_another_instrument_than_the_driver_means():
    with on_a_line([SimulatedDevice(PMS, period_s=0.05)]) as line:
        code, facts = trial("nova-sds011", line.path, "--seconds", 0.6)
        assert (code, facts["verdict"]["key"]) == (1, "foreign")
        assert facts["rejected"]["FixedBits"] >= 1
        assert facts["received"].startswith("424d001c")
        assert "gateway port sniff" in facts["verdict"]["text"]


def test_noise_is_told_apart_from_clean():
    noisy = Faults(wrong=0.4)
    with on_a_line([SimulatedDevice(PMS, period_s=0.02)], faults=noisy) as line:
        code, facts = trial(PMS.name, line.path, "--seconds", 0.7)
        assert (code, facts["verdict"]["key"]) == (0, "noisy")
        assert sum(facts["rejected"].values()) > 2


def test_a_line_that_says_nothing():
    master, slave = os.openpty()
    tty.setraw(slave)
    try:
        code, facts = trial(PMS.name, os.ttyname(slave), "--seconds", 0.3)
        assert (code, facts["verdict"]["key"]) == (1, "silent")
    finally:
        os.close(master)
        os.close(slave)


def test_an_adapter_that_echoes():
    master, slave = os.openpty()
    tty.setraw(slave)

    def echo() -> None:
        try:
            while data := os.read(master, 100):
                os.write(master, data)
        except OSError:
            return

    thread = threading.Thread(target=echo)
    thread.start()
    path = os.ttyname(slave)
    try:
        code, facts = trial(SDM.name, path, "--seconds", 0.7)
        assert (code, facts["verdict"]["key"]) == (1, "echo")
    finally:
        os.close(slave)
        thread.join(10)
        os.close(master)


def test_a_port_that_is_not_there_and_wrong_usage():
    done = gateway("device", "try", PMS.name, "/dev/serial/by-id/none")
    assert done.exit_code == 1
    assert "there is no such port" in done.stderr
    assert gateway("device", "try", "plantower-pmsx004", "/dev/x").exit_code == 2
    done = gateway("device", "try", SDM.name, "/dev/x", "--option", "inverd=true")
    assert done.exit_code == 2
    assert "invert" in done.stderr
    assert "--seconds" in gateway("device", "try", "--help").stdout


@pytest.mark.parametrize(
    ("driver", "tally", "key"),
    [
        (PMS, Tally(readings=9, rejected=Counter(Integrity=1)), "good"),
        (PMS, Tally(readings=9, rejected=Counter(Integrity=9)), "noisy"),
        (SDM, Tally(readings=3, asked=12, unanswered=4), "partly"),
        (PMS, Tally(), "silent"),
        (SDM, Tally(asked=2, unanswered=2), "unanswered"),
        (SDM, Tally(arrived=16, sent=16, echoed=True), "echo"),
        (SDM, Tally(arrived=5, rejected=Counter(DeviceFault=1)), "fault"),
        (PMS, Tally(arrived=320, rejected=Counter(Implausible=9, Integrity=1)), "implausible"),
        (PMS, Tally(arrived=100, flat=90, rejected=Counter(FixedBits=1)), "flat"),
        (PMS, Tally(arrived=100, rejected=Counter(Integrity=3)), "damaged"),
        (PMS, Tally(arrived=100, rejected=Counter(FixedBits=1)), "foreign"),
        (SDM, Tally(arrived=100, rejected=Counter(FixedBits=1)), "foreign_answer"),
        (SDM, Tally(lost="unplugged"), "lost"),
    ],
)
def test_verdicts_in_both_languages(driver, tally, key):
    said = {}
    for language in texts.LANGUAGES:
        texts.set_language(language)
        verdict = judge(driver, tally, port="/dev/serial0", line="9600 8N1", address=1)
        assert verdict.key == key
        assert verdict.is_good == (tally.readings > 0)
        said[language] = verdict.text
    assert said["en"] != said["th"]
