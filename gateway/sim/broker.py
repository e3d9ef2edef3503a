"""A broker of one's own, for the demo: mosquitto where it is installed, else the one inside the iotcore wheel.

Both keep to the loopback, and both keep what a persistent session has not taken yet; mosquitto keeps it on disk, too.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from pathlib import Path
from typing import Literal

from .processes import StartFailed, free_ports, spawn, stop, wait_listening

Kind = Literal["mosquitto", "iotcore"]
START_TIMEOUT_S = 10.0
_TRIES = 3
_MAX_PAYLOAD = 1024 * 1024
_MAX_INFLIGHT = 1000
_MAX_QUEUED = 100_000


def find_mosquitto() -> str | None:
    """The path of mosquitto; Debian puts it where a user's PATH does not look."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")


class EmbeddedBroker:
    """A broker process in `folder`. `url` speaks MQTT 5; `url_311` MQTT 3.1.1, on the same port where it can."""

    def __init__(self, folder: Path, kind: Kind | None = None) -> None:
        self.kind: Kind = kind or ("mosquitto" if find_mosquitto() else "iotcore")
        self._may_fall_back = kind is None
        self.versions = ("5", "3.1.1")
        self._folder = folder
        self._log = folder / "broker.log"
        self._ports: list[int] = []
        self._process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        """Where MQTT 5 is spoken."""
        return f"mqtt://127.0.0.1:{self._ports[0]}"

    @property
    def url_311(self) -> str:
        """Where MQTT 3.1.1 is spoken."""
        return f"mqtt://127.0.0.1:{self._ports[-1]}"

    @property
    def pid(self) -> int | None:
        """Of the running child; None when it is not running."""
        return self._process.pid if self._process and self._process.returncode is None else None

    async def start(self) -> None:
        """Start it on free ports; after a `stop`, on the same ones. Raises StartFailed, or OSError for the folder.

        A mosquitto that was not asked for by name and does not start (a system may confine it) gives way to iotcore.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        try:
            await self._start()
        except StartFailed:
            if self.kind == "iotcore" or self._ports or not self._may_fall_back:
                raise
            self.kind = "iotcore"
            await self._start()

    async def _start(self) -> None:
        known = self._ports
        for tries_left in reversed(range(1 if known else _TRIES)):
            ports = known or free_ports(1 if self.kind == "mosquitto" else 2)
            process = await spawn(self._command(ports), self._log)
            try:
                await wait_listening(process, ports, self._log, START_TIMEOUT_S)
            except BaseException as error:
                await stop(process)
                # Between our look and its start, somebody else may have taken the port.
                if isinstance(error, StartFailed) and tries_left:
                    continue
                raise
            self._process, self._ports = process, ports
            return

    async def stop(self) -> None:
        """End it in peace: mosquitto writes what it keeps. Stopping twice is harmless."""
        if self._process is not None:
            process, self._process = self._process, None
            await stop(process)

    def _command(self, ports: list[int]) -> list[str]:
        if self.kind == "iotcore":
            config = self._folder / "rumqttd.toml"
            config.write_text(rumqttd_config(*ports))
            return [sys.executable, "-P", "-m", "gateway.sim.rumqttd", str(config)]
        program = find_mosquitto()
        if program is None:
            raise StartFailed("mosquitto is not installed")
        config = self._folder / "mosquitto.conf"
        config.write_text(mosquitto_config(ports[0], self._folder))
        return [program, "-c", str(config)]


def mosquitto_config(port: int, folder: Path) -> str:
    """Loopback, persistent, and with room for what waits: by default it drops all but 1000 messages a client."""
    lines = [
        f"listener {port} 127.0.0.1",
        "allow_anonymous true",
        "persistence true",
        f"persistence_location {folder}/",
        f"max_queued_messages {_MAX_QUEUED}",
        f"max_inflight_messages {_MAX_INFLIGHT}",
        "set_tcp_nodelay true",
        "log_dest stderr",
        "log_type error",
        "log_type warning",
    ]
    if os.geteuid() == 0:
        lines.append("user root")
    return "\n".join(lines) + "\n"


def rumqttd_config(port_5: int, port_311: int) -> str:
    """Two listeners before one router; by default rumqttd closes the connection of whoever sends more than 20 KiB."""
    head = f"""id = 0

[router]
id = 0
max_connections = 1000
max_outgoing_packet_count = {_MAX_INFLIGHT}
max_segment_size = 16777216
max_segment_count = 16
"""
    listeners = [
        f"""
[{version}.1]
name = "{version}-1"
listen = "127.0.0.1:{port}"
next_connection_delay_ms = 1
[{version}.1.connections]
connection_timeout_ms = 60000
max_payload_size = {_MAX_PAYLOAD}
max_inflight_count = {_MAX_INFLIGHT}
dynamic_filters = true
"""
        for version, port in (("v5", port_5), ("v4", port_311))
    ]
    return head + "".join(listeners)
