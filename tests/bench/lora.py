"""500 radio devices, one uplink a minute each, through a packet forwarder: what that costs an edge node."""

from __future__ import annotations

import base64
import contextlib
import json
import random
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from gateway.lora.frame import build
from gateway.lora.keys import Keys, new_keys, write_keys
from tests.bench.node import _cpu_s, _ended, _figure, _resident_mb
from tests.rig.broker import Mosquitto
from tests.rig.gateway import Gateway, backbone_config, edge_config, wait_until

DEVICES, PER_MINUTE = 500, 1
SECONDS = 60.0
PAYLOAD = bytes.fromhex("01755d0382f108040000")


def run() -> Iterator[dict[str, object]]:
    """The figures; about a minute and a half."""
    with tempfile.TemporaryDirectory(prefix="lanna-bench-") as folder:
        yield from _footprint(Path(folder))


def _footprint(folder: Path) -> Iterator[dict[str, object]]:
    keys = [new_keys() for _ in range(DEVICES)]
    port = _free_udp_port()
    with contextlib.ExitStack() as stack:
        broker = stack.enter_context(Mosquitto(folder / "broker"))
        edge = Gateway(edge_config(folder, broker=broker.url, devices={}, extra=_radio(folder, keys, port)))
        ingest = Gateway(
            backbone_config(folder, broker=broker.url, sink=f'sqlite = {{ path = "{folder}/readings.sqlite" }}')
        )
        stack.enter_context(_ended(edge, ingest))
        ingest.start()
        edge.start()
        sock = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        sock.connect(("127.0.0.1", port))
        sock.settimeout(0.2)
        wait_until(lambda: _is_answered(sock), 20, "the node answers a forwarder")
        chance, counters = random.Random(1), [0] * DEVICES
        _play(sock, keys, counters, 3.0, chance)
        before, started, sent = _cpu_s(edge.pid), time.monotonic(), sum(counters)
        _play(sock, keys, counters, SECONDS, chance)
        elapsed = time.monotonic() - started
        yield _figure(
            "500 LoRa devices, one uplink a minute: CPU", 100 * (_cpu_s(edge.pid) - before) / elapsed, "% of a core"
        )
        yield _figure("500 LoRa devices: resident memory", _resident_mb(edge.pid), "MB")
        yield _figure("500 LoRa devices: uplinks sent", sum(counters) - sent, "uplinks")


def _radio(folder: Path, keys: list[Keys], port: int) -> str:
    text = f'\n[[lora]]\nid = "tower"\nkind = "gwmp"\nlisten = "127.0.0.1:{port}"\n'
    for number, each in enumerate(keys):
        address = f"{0x01000000 + number:08x}"
        write_keys(folder / f"{number}.keys", address, each)
        text += (
            f'[[device]]\nid = "gauge-{number}"\ndriver = "milesight-em310-udl"\n'
            f'radio = {{ dev_addr = "{address}", keys_file = "{number}.keys" }}\n'
        )
    return text


def _play(sock: socket.socket, keys: list[Keys], counters: list[int], seconds: float, chance: random.Random) -> None:
    """Uplinks of all devices in turn, evenly over the minute; a forwarder's `stat` and PULL_DATA between them."""
    gap_s, started, number = 60.0 / (DEVICES * PER_MINUTE), time.monotonic(), 0
    while time.monotonic() - started < seconds:
        at = sum(counters) % DEVICES
        frame = build(0x01000000 + at, counters[at], 85, PAYLOAD, keys[at].nwk_s_key, keys[at].app_s_key)
        counters[at] += 1
        packet = {
            "tmst": number, "chan": 1, "rfch": 0, "freq": 923.2, "stat": 1, "modu": "LORA", "datr": "SF9BW125",
            "codr": "4/5", "rssi": -90, "lsnr": 5.5, "size": len(frame), "data": base64.b64encode(frame).decode(),
        }  # fmt: skip
        _send(sock, 0, json.dumps({"rxpk": [packet]}).encode(), chance)
        number += 1
        if number % 80 == 0:
            _send(sock, 2, b"", chance)
            _send(sock, 0, b'{"stat":{"rxnb":1}}', chance)
        time.sleep(max(0.0, started + number * gap_s - time.monotonic()))


def _send(sock: socket.socket, kind: int, body: bytes, chance: random.Random) -> None:
    with contextlib.suppress(ConnectionRefusedError):
        sock.send(b"\x02" + chance.randbytes(2) + bytes([kind]) + bytes.fromhex("aa555a0000000101") + body)


def _is_answered(sock: socket.socket) -> bool:
    _send(sock, 2, b"", random.Random(0))
    try:
        return sock.recv(16)[3] == 4
    except (TimeoutError, ConnectionRefusedError):
        return False


def _free_udp_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])
