"""`gateway port sniff`: listen at one line setting after another until a driver accepts what comes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from drivers.core import registry
from drivers.core.contract import Driver, Line, Listening
from gateway.cli.chosen import FAILED, AsJson, Baud, Bits, ParityOption, PortName, choose_line, line_text, opened
from gateway.cli.device_shown import short
from gateway.cli.device_tapped import TAPPED_S
from gateway.cli.port_hearing import Hearing, Hit
from gateway.cli.port_settings import settings_to_hear
from gateway.cli.printing import print_json, print_table
from gateway.cli.reaching import Take, Tap, at_port
from gateway.cli.table import Column
from gateway.ops.texts import say
from gateway.ports import Port, PortLost

_ENOUGH = 3
"""Readings after which a driver is believed; other drivers that share its frames have had the same chance."""
_HEX_LINE = 16


def sniff(
    url: PortName,
    seconds: Annotated[float, typer.Option("--seconds", min=0.1, max=86_400, help=say("port_cmd.each_seconds"))] = 3.0,
    every: Annotated[bool, typer.Option("--all", help=say("port_cmd.sniff_all"))] = False,
    baud: Baud = None,
    bits: Bits = None,
    parity: ParityOption = None,
    take: Take = False,
    as_json: AsJson = False,
) -> None:
    """Say which drivers accept the stream, at which setting; exit 1 where none does."""
    drivers = [driver for driver in registry.drivers() if isinstance(driver.kind, Listening)]
    lines = settings_to_hear(drivers)
    if baud or bits or parity:
        lines = [choose_line(Line(), baud, bits, parity, None)]
    elif not url.startswith("/"):
        lines = [Line()]  # there are no wires here whose setting we could choose
    heard, tap = asyncio.run(_sniff(url, lines, drivers, seconds, take=take, every=every, is_told=not as_json))
    best = max(heard, key=lambda each: (sum(hit.readings for hit in each.hits[:1]), each.bytes))
    if as_json:
        print_json({"port": url, "tapped": tap is not None, "settings": [_facts(each) for each in heard]})
    else:
        _conclude(url, heard, best, tap)
    raise typer.Exit(0 if best.hits else FAILED)


async def _sniff(
    url: str,
    lines: Sequence[Line],
    drivers: Sequence[Driver],
    seconds: float,
    *,
    take: bool,
    every: bool,
    is_told: bool,
) -> tuple[list[Hearing], Tap | None]:
    async with at_port(url, take, "gateway port sniff") as tap:
        if tap is not None:
            return [await _listen_in(tap, drivers, max(seconds, TAPPED_S), is_told=is_told)], tap
        if is_told:
            typer.echo(say("port_cmd.sniffing", port=url, count=len(lines), seconds=f"{seconds * len(lines):g}"))
        return await _listen_all(url, lines, drivers, seconds, every=every, is_told=is_told), None


async def _listen_in(tap: Tap, drivers: Sequence[Driver], seconds: float, *, is_told: bool) -> Hearing:
    """What the gateway hears, and on a bus what it asks, at the one setting that it uses."""
    hearing = Hearing(tap.line, drivers)
    try:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not _is_enough(hearing):
                    hearing.feed((await tap.record()).data)
    except PortLost as error:
        typer.echo(str(error), err=True)
    if is_told:
        _show(hearing)
    return hearing


async def _listen_all(
    url: str, lines: Sequence[Line], drivers: Sequence[Driver], seconds: float, *, every: bool, is_told: bool
) -> list[Hearing]:
    heard: list[Hearing] = []
    for line in lines:
        hearing = Hearing(line, drivers)
        heard.append(hearing)
        async with opened(url, line) as port:
            try:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(seconds):
                        await _listen(port, hearing)
            except PortLost as error:
                typer.echo(str(error), err=True)
                break
        if is_told:
            _show(hearing)
        if hearing.hits and not every:
            break
    return heard


async def _listen(port: Port, hearing: Hearing) -> None:
    while not _is_enough(hearing):
        hearing.feed(await port.read())


def _is_enough(hearing: Hearing) -> bool:
    return any(hit.readings >= _ENOUGH for hit in hearing.hits)


def _show(hearing: Hearing) -> None:
    said = say("port_cmd.heard", line=line_text(hearing.line), bytes=hearing.bytes)
    if hearing.modbus_frames:
        said += ", " + say("port_cmd.modbus", count=hearing.modbus_frames)
    typer.echo(said)
    for at in range(0, len(hearing.sample), _HEX_LINE):
        piece = hearing.sample[at : at + _HEX_LINE]
        seen = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in piece)
        typer.echo(f"    {piece.hex(' '):<{_HEX_LINE * 3}} {seen}")


def _conclude(url: str, heard: Sequence[Hearing], best: Hearing, tap: Tap | None) -> None:
    if best.hits:
        columns = [
            Column(say("driver.head_name")),
            Column(say("port_cmd.head_readings"), align="right"),
            Column(say("port_cmd.head_refused"), align="right"),
            Column(say("driver.head_title"), most=60),
        ]
        typer.echo("\n" + say("port_cmd.accepted", line=line_text(best.line)))
        print_table(columns, [_row(hit) for hit in best.hits])
        typer.echo(short(0.0, best.hits[0].last).partition(" s  ")[2])
        typer.echo(f"\n  gateway device try {best.hits[0].driver.name} {url}")
    elif tap is not None and best.bytes:
        typer.echo("\n" + say("port_cmd.sniff_own", bytes=best.bytes))
        for device in tap.held.devices:
            typer.echo(f"  gateway device try {device.driver} {url}")
    elif any(each.modbus_frames for each in heard):
        typer.echo("\n" + say("port_cmd.sniff_modbus"))
    elif best.bytes:
        typer.echo("\n" + say("port_cmd.sniff_unknown", line=line_text(best.line), bytes=best.bytes))
    else:
        typer.echo("\n" + say("port_cmd.sniff_nothing", port=url))


def _row(hit: Hit) -> list[str]:
    return [hit.driver.name, str(hit.readings), str(hit.refused), hit.driver.title]


def _facts(hearing: Hearing) -> dict[str, Any]:
    line = hearing.line
    return {
        "line": {"baud": line.baud, "bits": line.bits, "parity": line.parity, "stop": line.stop},
        "bytes": hearing.bytes,
        "sample": hearing.sample.hex(),
        "modbus_frames": hearing.modbus_frames,
        "drivers": [
            {"driver": hit.driver.name, "readings": hit.readings, "refused": hit.refused} for hit in hearing.hits
        ],
    }
