"""Running hours outlive the process, and a new instrument begins at 0."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.cli.root import build
from gateway.edge.hours import FILE, Hours, read_hours, renew
from gateway.edge.life import Life, RunTime
from tests.ports.virtual_clock import VirtualClock


def test_counted_time_is_kept_over_a_restart(tmp_path: Path) -> None:
    hours = Hours(tmp_path / FILE)
    hours.of("pm-1", "nova-sds011").seconds += 3600
    hours.save()
    again = Hours(tmp_path / FILE)
    assert again.of("pm-1", "nova-sds011").seconds == 3600
    assert again.of("pm-2", "nova-sds011").seconds == 0
    again.of("pm-1", "plantower-pmsx003").seconds += 5  # another driver: another instrument
    again.save()
    assert Hours(tmp_path / FILE).of("pm-1", "plantower-pmsx003").seconds == 5


def test_an_instrument_that_is_replaced_while_the_node_runs_begins_at_0(tmp_path: Path) -> None:
    hours = Hours(tmp_path / FILE)
    counting = hours.of("pm-1", "nova-sds011")
    counting.seconds = 7200
    hours.save()
    renew(tmp_path / FILE, "pm-1")
    counting.seconds += 10
    hours.save()
    assert counting.seconds == 0
    counting.seconds += 60
    hours.save()
    assert read_hours(tmp_path / FILE)["pm-1"].seconds == 60


@pytest.mark.parametrize("text", ["", "[]", "{", '{"pm-1": 3}', '{"pm-1": {"driver": "x", "seconds": "?"}}'])
def test_a_damaged_file_begins_anew(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    hours = Hours(tmp_path / FILE)
    assert hours.of("pm-1", "nova-sds011").seconds == 0
    hours.save()
    assert set(read_hours(tmp_path / FILE)) == {"pm-1"}


async def test_the_end_saves(tmp_path: Path) -> None:
    hours = Hours(tmp_path / FILE)
    hours.of("pm-1", "nova-sds011").seconds = 42
    keeping = asyncio.create_task(hours.keep())
    await asyncio.sleep(0)
    keeping.cancel()
    await asyncio.wait([keeping])
    assert read_hours(tmp_path / FILE)["pm-1"].seconds == 42


async def test_only_time_between_readings_counts() -> None:
    clock, ran = VirtualClock(), RunTime(100.0)
    life = Life(None, ran, clock, 10.0)
    for wait_s in (1, 1, 1, 600, 1):
        life.sign()
        await clock.advance(wait_s)
    assert ran.seconds == 103


def test_the_command_says_hours_and_renews(tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    spool.mkdir()
    file = tmp_path / "node.toml"
    file.write_text(
        '[node]\nid = "n"\nsite = "s"\n[mqtt]\nurl = "mqtt://127.0.0.1"\nconfirm = "stored"\n'
        f'[spool]\npath = "{spool}"\n[[device]]\nid = "pm-1"\ndriver = "nova-sds011"\nport = "/dev/ttyUSB1"\n'
        'duty = { every = "10 min", on = "60 s" }\n'
    )
    run = CliRunner()
    assert "No hours" in run.invoke(build(), ["device", "hours", str(file)]).output
    hours = Hours(spool / FILE)
    hours.of("pm-1", "nova-sds011").seconds = 2000 * 3600
    hours.save()
    shown = run.invoke(build(), ["device", "hours", str(file)]).output
    assert "2000.0" in shown
    assert "8000" in shown
    assert "25%" in shown
    assert run.invoke(build(), ["device", "hours", str(file), "--new", "pm-9"]).exit_code == 2
    assert run.invoke(build(), ["device", "hours", str(file), "--new", "pm-1", "--json"]).output.startswith(
        '{"pm-1":{"driver":"nova-sds011","hours":0.0'
    )
