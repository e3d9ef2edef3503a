"""The senders to flash, run on this machine: their frames are ours, and those of a library that is not ours.

MicroPython's runs under CPython with stand-ins for the board's modules. Arduino's is compiled with g++ against
stand-ins for the board's libraries, AES among them: what is tested is the sender, not the board's AES.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import pamoja.lorawan as theirs
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB

from drivers.core.registry import find
from gateway.lora.frame import build
from gateway.lora.keys import new_keys
from gateway.lora.modems.reyax import ReyaxReader
from gateway.lora.senders import FILES, sender, template

STANDINS = Path(__file__).parent / "arduino"
KEYS, ADDRESS = new_keys(), "01a2b3c4"


class Board:
    """Stands in for a board's modules; `written` is what left it over SPI or the UART."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.written: list[bytes] = []
        self.slept_ms = 0
        board = self

        class Spi:
            def __init__(self, *_: Any, **__: Any) -> None: ...

            def write(self, data: bytes) -> None:
                board.written.append(bytes(data))

        class Uart(Spi):
            def write(self, data: Any) -> None:
                board.written.append(data.encode())

        class Pin:
            def __init__(self, *_: Any) -> None: ...
            def __call__(self, *_: Any) -> None: ...

        class Box:
            def __init__(self, key: bytes, mode: int) -> None:
                assert mode == 1  # ECB
                self._box = Cipher(AES(key), ECB()).encryptor()

            def encrypt(self, data: bytes) -> bytes:
                return self._box.update(data)

        machine = types.ModuleType("machine")
        machine.SPI, machine.UART, machine.Pin = Spi, Uart, Pin  # type: ignore[attr-defined]
        machine.deepsleep = self.deepsleep  # type: ignore[attr-defined]
        cryptolib = types.ModuleType("cryptolib")
        cryptolib.aes = Box  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "machine", machine)
        monkeypatch.setitem(sys.modules, "cryptolib", cryptolib)
        monkeypatch.setattr("time.sleep", lambda seconds: None)

    def deepsleep(self, ms: int) -> None:
        self.slept_ms = ms


def theirs_of(counter: int, payload: bytes) -> bytes:
    session = theirs.session(int(ADDRESS, 16), KEYS.nwk_s_key, KEYS.app_s_key)
    return bytes(session.encode_uplink(counter, 1, payload))


@pytest.mark.parametrize("counter", [0, 1, 65535, 65536, 4_000_000_000])
def test_micropython(counter: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    if counter:
        (tmp_path / "counter").write_text(str(counter))
    board = Board(monkeypatch)
    names: dict[str, Any] = {}
    exec(compile(sender("micropython", ADDRESS, KEYS, spreading_factor=7), "sender.py", "exec"), names)
    (frame,) = [each[1:] for each in board.written if each[0] == 0x80]  # the radio's FIFO
    payload = bytes.fromhex("0182000007d002740168")
    assert frame == theirs_of(counter, payload)
    assert frame == build(int(ADDRESS, 16), counter, 1, payload, KEYS.nwk_s_key, KEYS.app_s_key)
    assert (tmp_path / "counter").read_text() == str(counter + 1)
    assert bytes([0x1E | 0x80, 0x74]) in board.written
    assert bytes([0x06 | 0x80, 0xE6, 0xCC, 0xCC]) in board.written  # 923.2 MHz in steps of 61.035 Hz
    assert board.slept_ms == 300_000
    for size in range(40):
        data = bytes(range(size))
        assert names["uplink"](counter, data) == theirs_of(counter, data)


def test_micropython_with_a_reyax(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    board = Board(monkeypatch)
    exec(sender("micropython", ADDRESS, KEYS).replace('RADIO = "rfm95"', 'RADIO = "reyax"'), {})
    (line,) = board.written
    size, text = line.removeprefix(b"AT+SEND=0,").rstrip().split(b",")
    assert int(size) == len(text)
    assert bytes.fromhex(text.decode()) == theirs_of(0, bytes.fromhex("0182000007d002740168"))
    assert len(ReyaxReader().feed(b"+RCV=0,%b,%b,-50,7\r\n" % (size, text))) == 1


@pytest.fixture(scope="module")
def arduino(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Arduino sender as a program of this machine."""
    compiler = shutil.which("g++")
    if compiler is None:
        pytest.skip("needs g++ (Debian package g++)")
    folder = tmp_path_factory.mktemp("arduino")
    (folder / "sender.ino").write_text(sender("arduino", ADDRESS, KEYS, sync_word=0x34))
    (folder / "main.cpp").write_text('#include "sender.ino"\nint main() { setup(); }\n')
    flags = ["-std=c++17", "-Wall", "-Wextra", "-Werror", "-I", str(STANDINS)]
    subprocess.run([compiler, *flags, str(folder / "main.cpp"), "-o", str(folder / "sender")], check=True)
    return folder / "sender"


@pytest.mark.parametrize("counter", [0, 1, 65535, 65536, 4_000_000_000])
def test_arduino(counter: int, arduino: Path) -> None:
    env = os.environ | {"COUNTER": str(counter)}
    said = subprocess.run([arduino], env=env, check=True, capture_output=True, text=True, timeout=10).stdout
    assert f"frame {theirs_of(counter, bytes.fromhex('0182000007d0')).hex()}\n" in said
    assert f"kept {counter + 1}\n" in said
    assert "sync 52\n" in said
    assert "sleep 300000000\n" in said
    assert said.index("kept") < said.index("frame")


def test_what_they_send_is_a_level() -> None:
    driver = find("cayenne-lpp")
    options = {name: option.default for name, option in driver.options.items()}
    options["channels"] = "1 = distance, 2 = battery_voltage"
    payload = bytes.fromhex("0182000007d002740168")
    (told,) = driver.kind.decode(payload, 1, options)  # type: ignore[union-attr,arg-type,call-arg]
    assert told.decoded.values == {"distance": 2.0, "battery_voltage": 3.6}  # type: ignore[union-attr]


@pytest.mark.parametrize("kind", FILES)
def test_they_fit_on_a_screen(kind: Any) -> None:
    assert len(template(kind).splitlines()) <= 60
    assert KEYS.nwk_s_key.hex() in sender(kind, ADDRESS, KEYS)
