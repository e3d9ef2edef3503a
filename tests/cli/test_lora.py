"""`gateway lora`: keys and senders written closed, everything heard shown with its reason, no key ever shown."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from drivers.core.registry import find
from gateway.cli import lora_listen as command
from gateway.cli.root import build
from gateway.lora.keys import read_keys
from gateway.ops import texts
from gateway.sim.forwarder import Forwarder
from gateway.sim.radio_modem import SimulatedModem
from gateway.sim.radio_sender import Air, RadioSender, Weather
from tests.rig.process import free_port


@pytest.fixture(autouse=True)
def _language() -> Iterator[None]:
    texts.set_language("en")
    yield
    texts.set_language(None)


def gateway(*arguments: object) -> Result:
    return CliRunner().invoke(build(), [str(each) for each in arguments])


def made(folder: Path, *more: str) -> tuple[str, RadioSender]:
    """Keys made by the command, its device table, and a simulated sender that has them."""
    done = gateway("lora", "keys", "new", "gauge", "--folder", folder, *more)
    assert done.exit_code == 0, done.stderr
    address = done.stdout.split('dev_addr = "')[1][:8]
    keys = read_keys(folder / "gauge.keys", address)
    assert keys.nwk_s_key.hex() not in done.stdout + done.stderr
    return done.stdout, RadioSender("gauge", find("cayenne-lpp"), int(address, 16), keys)


def config(folder: Path, lora: str, device: str) -> Path:
    path = folder / "node.toml"
    head = '[node]\nid = "n"\nsite = "s"\n[mqtt]\nurl = "mqtt://127.0.0.1"\nconfirm = "stored"\n'
    path.write_text(head + lora + device)
    return path


def test_keys_new_writes_what_it_says_and_overwrites_nothing(tmp_path: Path) -> None:
    table, _ = made(tmp_path, "--sender", "arduino", "--sf", "7", "--sync-word", "0x34", "--address", "01A2B3C4")
    assert 'dev_addr = "01a2b3c4"' in table
    for name in ("gauge.keys", "gauge.ino"):
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o600
    sender = (tmp_path / "gauge.ino").read_text()
    assert "DEV_ADDR = 0x01a2b3c4" in sender
    assert "SF = 7, SYNC_WORD = 0x34;" in sender
    before = (tmp_path / "gauge.keys").read_bytes()
    again = gateway("lora", "keys", "new", "gauge", "--folder", tmp_path)
    assert again.exit_code == 2
    assert "nothing is overwritten" in again.stderr
    assert (tmp_path / "gauge.keys").read_bytes() == before
    assert gateway("lora", "keys", "new", "gau/ge", "--folder", tmp_path).exit_code == 2
    assert gateway("lora", "keys", "new", "g2", "--sf", "12", "--folder", tmp_path).exit_code == 2


async def test_listening_to_a_modem_shows_every_frame_and_its_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    device, sender = made(tmp_path, "--sender", "none")
    link = tmp_path / "modem"
    lora = f'[[lora]]\nid = "roof"\nkind = "rylr998"\nport = "{link}"\n'
    path = config(tmp_path, lora, device.split("options")[0])
    air = Air(sender, Weather(replay=0.5, wrong_key=0.5, cut=0.5), seed=4)
    modem = SimulatedModem("rylr998", [air], link=link, period_s=0.01)
    playing = asyncio.create_task(modem.run())
    known = command._configuration(path)
    readings = await command._listen(command._receiver(str(link), None, known, []), known, 1.5, as_json=True)
    playing.cancel()
    await asyncio.wait([playing])
    said = capsys.readouterr().out
    lines = [json.loads(line) for line in said.splitlines()]
    verdicts = {line["verdict"] for line in lines if "verdict" in line}
    assert {"reading", "Replay", "Integrity"} <= verdicts
    assert all(line["text"] for line in lines if "verdict" in line)
    heard = [line for line in lines if line.get("verdict") == "reading"]
    assert len(heard) == readings > 3
    assert heard[0]["device"] == "gauge"
    assert "distance__3=" in heard[0]["text"]
    keys = (tmp_path / "gauge.keys").read_text()
    assert not any(word in said for word in keys.split('"') if len(word) == 32)


async def test_listening_to_forwarders_without_a_configuration_names_the_strangers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, sender = made(tmp_path, "--sender", "none")
    port = free_port()
    lora = command._receiver(f"udp://127.0.0.1:{port}", None, None, [])
    listening = asyncio.create_task(command._listen(lora, None, 0, as_json=False))
    forwarder, air = Forwarder(), Air(sender, Weather())
    await forwarder.connect("127.0.0.1", port)
    async with asyncio.timeout(10):
        while not forwarder.acknowledged:
            forwarder.push(air.next())
            forwarder.raw(b"nonsense")
            await asyncio.sleep(0.02)
    listening.cancel()
    await asyncio.wait([listening])
    forwarder.close()
    said = capsys.readouterr().out
    assert f"no device here has the address {sender.dev_addr:08x}" in said
    assert "no reading (version)" in said


def test_a_modem_needs_its_kind_and_the_region_s_rules_hold_here_too() -> None:
    assert "--kind" in gateway("lora", "listen", "/dev/null").stderr
    done = gateway("lora", "listen", "/dev/null", "--kind", "rak3172", "--set", "spreading_factor=12")
    assert (done.exit_code, "dwell-time" in done.stderr) == (2, True)
    assert gateway("lora", "listen", "--help").exit_code == 0


async def test_playing_a_forwarder_to_a_listener(tmp_path: Path) -> None:
    device, _ = made(tmp_path, "--sender", "none")
    port = free_port()
    lora = f'[[lora]]\nid = "tower"\nkind = "gwmp"\nlisten = "127.0.0.1:{port}"\n'
    known = command._configuration(config(tmp_path, lora, device.split("options")[0]))
    target = f"udp://127.0.0.1:{port}"
    listening = asyncio.create_task(command._listen(command._receiver(target, None, known, []), known, 0, as_json=True))
    herald = Forwarder()
    await herald.connect("127.0.0.1", port)
    async with asyncio.timeout(10):
        while not herald.acknowledged:
            herald.pull()
            await asyncio.sleep(0.01)
    herald.close()
    arguments = ("lora", "play", target, tmp_path / "gauge.keys", "--count", 20, "--every", 0.01)
    done = await asyncio.to_thread(gateway, *arguments, "--weather", "loss=0.3,replay=0.5,wrong_key=0.5")
    listening.cancel()
    await asyncio.wait([listening])
    assert done.exit_code == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    readings = sum(line.get("verdict") == "reading" for line in lines)
    assert f"a node must have {readings} readings" in done.stdout
    assert readings > 5
    assert gateway(*arguments, "--weather", "rain=1").exit_code == 2
