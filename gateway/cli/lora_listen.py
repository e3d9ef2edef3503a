"""`gateway lora listen`: everything a receiver hears, and why it is or is not a reading. It keeps and sends nothing."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli.chosen import AsJson
from gateway.cli.places import default_configuration, fail
from gateway.cli.printing import print_json
from gateway.ops.texts import say

if TYPE_CHECKING:
    from gateway.config import model as said
    from gateway.edge.station import Report
    from gateway.lora.heard import Heard, Outcome
    from gateway.lora.receiver import Inlet
    from gateway.lora.uplinks import DeviceNote, UplinkMessage

_ID = "listen"


def listen(
    target: Annotated[str, typer.Argument(metavar="PORT|URL", help=say("lora_cmd.target"))],
    kind: Annotated[str | None, typer.Option("--kind", help=say("lora_cmd.kind"), show_default=False)] = None,
    file: Annotated[Path | None, typer.Option("--file", help=say("lora_cmd.file"), show_default=False)] = None,
    setting: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help=say("lora_cmd.set"), show_default=False)
    ] = None,
    seconds: Annotated[float, typer.Option("--seconds", min=0, metavar="N", help=say("lora_cmd.seconds"))] = 0,
    as_json: AsJson = False,
) -> None:
    """Show frames until Ctrl-C or for N seconds; exit 1 where nothing was a reading."""
    config = _configuration(file)
    lora = _receiver(target, kind, config, setting or [])
    readings = asyncio.run(_listen(lora, config, seconds, as_json=as_json))
    raise typer.Exit(0 if readings else 1)


def _configuration(file: Path | None) -> said.Config | None:
    """The configuration whose devices are known; None where there is none, and none was named."""
    from gateway import config

    path = file or default_configuration()
    if path is None:
        return None
    try:
        return config.load(path)
    except config.ConfigError as error:
        if file is None:
            return None
        fail(str(error))


def _receiver(target: str, kind: str | None, config: said.Config | None, settings: list[str]) -> said.Lora:
    """The table of this receiver: the configuration's own, or one made of what is said here."""
    from gateway.config.receiver import receiver

    known = next((each for each in (config.loras if config else ()) if _is_at(each, target)), None)
    if known is not None and kind is None and not settings:
        return known
    scheme, _, place = target.partition("://")
    kind = kind or ("gwmp" if scheme == "udp" else None)
    if kind is None:
        fail(say("lora_cmd.needs_kind"))
    table: dict[str, Any] = {"id": _ID, "kind": kind}
    if scheme == "udp":
        table["listen"] = place
    elif scheme in ("mqtt", "mqtts"):
        table["mqtt"] = {"url": target}
    else:
        table["port"] = target
    for each in settings:
        key, _, value = each.partition("=")
        where = table["mqtt"] if key in ("username", "password_file", "ca_file") and "mqtt" in table else table
        where[key.strip()] = int(value) if value.strip().isdigit() else value.strip()
    try:
        return receiver(table)
    except ValueError as error:
        fail(str(error))


def _is_at(lora: said.Lora, target: str) -> bool:
    places = {lora.port, lora.id, f"udp://{lora.listen}", lora.mqtt.url if lora.mqtt is not None else None}
    return target in places


class _Nothing:
    """The part of a spool that counters want, which forgets everything."""

    next = first = 1
    committed = 0

    def note(self, kind: int, data: bytes, until: int = 0) -> int:
        return 0

    def notes(self) -> list[tuple[int, bytes]]:
        return []

    def read(self, first: int, last: int, limit_bytes: int = 0) -> list[tuple[int, bytes]]:
        return []


async def _listen(lora: said.Lora, config: said.Config | None, seconds: float, *, as_json: bool) -> int:
    from drivers.core.contract import Uplink
    from drivers.core.registry import find
    from gateway.app.radio import hear_with, make_hub, make_stations
    from gateway.edge.clock import SystemClock
    from gateway.lora.keys import KeysError

    logging.getLogger("gateway.lora").addHandler(logging.NullHandler())  # the view says it
    view = _View(as_json=as_json)
    devices = [each for each in (config.devices if config else ()) if isinstance(find(each.driver).kind, Uplink)]
    drivers = {each.id: find(each.driver) for each in devices}
    clock = SystemClock(believes=True)
    stations = make_stations(devices, drivers, clock, view.reading, lambda *_: None, lambda *_: None)
    try:
        hub = make_hub(devices, stations, _Nothing(), clock, window_s=0.0)
        inlet = hear_with(lora, hub, clock, view.state, f"lanna-listen-{os.getpid()}")
    except (KeysError, OSError) as error:
        fail(str(error))
    view.attach(hub, inlet)
    if not as_json:
        typer.echo(
            say("lora_cmd.listening", target=lora.port or lora.listen or lora.id, devices=len(devices)), err=True
        )
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds or None):
            await inlet.run()
    return view.readings


class _View:
    """One line for each thing heard."""

    def __init__(self, *, as_json: bool) -> None:
        self.readings = 0
        self._as_json = as_json
        self._values: list[str] = []
        self._is_told = False

    def attach(self, hub: Any, inlet: Inlet) -> None:
        """Be told what becomes of everything."""
        hub.on_outcome = self.outcome
        inlet.desk.on_refused = self.refused

    def reading(self, report: Report) -> None:
        """A station has made a reading; the outcome follows."""
        self.readings += 1
        self._values.append(" ".join(f"{name}={value:g}" for name, value in report.decoded.values.items()))

    def outcome(self, heard: Heard | UplinkMessage | DeviceNote, outcome: Outcome) -> None:
        """What became of a packet or a message."""
        receivers = getattr(heard, "receivers", None) or [getattr(heard, "receiver", None)]
        best = receivers[0]
        data: bytes = getattr(heard, "data", None) or getattr(heard, "payload", None) or b""
        self._is_told = True
        self._show(
            outcome.refusal or "reading",
            device=outcome.device,
            rssi=getattr(best, "rssi", None),
            snr=getattr(best, "snr", None),
            data=data,
            text="; ".join(self._values) if self._values else outcome.text,
        )
        self._values.clear()

    def refused(self, reason: str, text: str) -> None:
        """Something that is not even a packet; what an outcome said already is not said twice."""
        if self._is_told:
            self._is_told = False
            return
        self._show(reason, text=text)

    def state(self, name: str, state: str, why: str) -> None:
        """How the receiver is."""
        if self._as_json:
            print_json({"receiver": name, "state": state, "why": why})
        else:
            typer.echo(say("lora_cmd.state", state=state, why=why), err=True)

    def _show(self, verdict: str, *, text: str, device: str = "", data: bytes = b"", **signal: float | None) -> None:
        rssi, snr = signal.get("rssi"), signal.get("snr")
        if self._as_json:
            facts = {"verdict": verdict, "device": device, "rssi": rssi, "snr": snr, "hex": data.hex(), "text": text}
            print_json({"at": time.time(), **facts})
            return
        heard = f"{rssi:>5.0f} dBm" if rssi is not None else " " * 9
        heard += f" {snr:>5.1f} dB" if snr is not None else " " * 9
        known = verdict in ("reading", "Note", "Copy")
        word = say(f"lora_cmd.verdict_{verdict.lower()}") if known else say("lora_cmd.no_reading", reason=verdict)
        typer.echo(f"{time.strftime('%H:%M:%S')} {heard} {len(data):>4} B  {device or '-':<14} {word}  {text}".rstrip())
