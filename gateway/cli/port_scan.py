"""`gateway port scan`: find devices that answer only when asked, and say which known meters they may be."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from drivers.core import registry
from drivers.core.contract import Driver, Line
from gateway.cli import scan_plan
from gateway.cli.chosen import (
    FAILED,
    AsJson,
    Baud,
    Bits,
    ParityOption,
    PortName,
    Stop,
    choose_line,
    explain,
    line_text,
)
from gateway.cli.device_tapped import TAPPED_S
from gateway.cli.printing import print_json, print_table
from gateway.cli.reaching import Take, at_port
from gateway.cli.scan_plan import Probe
from gateway.cli.scan_tapped import who_answers
from gateway.cli.scanning import Found, Match, Scan
from gateway.cli.stopping import run_until_stopped
from gateway.cli.table import Column
from gateway.ops.texts import say
from gateway.ports import PortLost

_SHOWN = 5
"""Candidates of one device that are shown; --json has all."""


def scan(
    url: PortName,
    quick: Annotated[bool, typer.Option("--quick", help=say("port_cmd.scan_quick"))] = False,
    every: Annotated[bool, typer.Option("--all", help=say("port_cmd.scan_all"))] = False,
    patience: Annotated[float, typer.Option("--patience", min=0.01, max=10, help=say("port_cmd.patience"))] = 0.25,
    baud: Baud = None,
    bits: Bits = None,
    parity: ParityOption = None,
    stop: Stop = None,
    take: Take = False,
    as_json: AsJson = False,
) -> None:
    """Ask until somebody answers; exit 1 where nobody does. Only reading questions are sent."""
    drivers = registry.drivers()
    line = None
    if baud or bits or parity or stop or not url.startswith("/"):
        line = choose_line(Line(), baud, bits, parity, stop)
    progress = _Progress(is_shown=not as_json)
    asking = Scan(url, drivers, patience, progress.show)
    was_stopped = run_until_stopped(_scan(asking, drivers, line, quick=quick, every=every, take=take))
    progress.end()
    if as_json:
        print_json({"port": url, "asked": asking.asked, "stopped": was_stopped} | _facts(asking))
    else:
        _print(url, asking)
    raise typer.Exit(0 if asking.found else FAILED)


async def _scan(
    asking: Scan, drivers: Sequence[Driver], line: Line | None, *, quick: bool, every: bool, take: bool
) -> None:
    async with at_port(asking.url, take, "gateway port scan") as tap:
        if tap is None:
            await _ask(asking, drivers, line, quick=quick, every=every)
        else:
            typer.echo(say("port_cmd.scan_tapped", seconds=f"{TAPPED_S:g}"), err=True)
            asking.found += await who_answers(tap, TAPPED_S)


async def _ask(asking: Scan, drivers: Sequence[Driver], line: Line | None, *, quick: bool, every: bool) -> None:
    """The stages, from what a device is shipped with to all there is; each only where the ones before found nobody."""
    lines = [line] if line is not None else scan_plan.lines_of(drivers)
    all_lines = [line] if line is not None else scan_plan.every_line(drivers)
    try:
        await asking.run(list(scan_plan.usual(drivers, line)), every=every)
        if not asking.found or every:
            await asking.run(list(scan_plan.low(lines)), every=every)
        if (not asking.found and not quick) or every:
            await asking.run(list(scan_plan.rest(all_lines, lines, scan_plan.EVERY)), every=every)
        await asking.identify()
    except PortLost as error:
        explain(error)


class _Progress:
    """One line on a terminal's error output, written over and over; elsewhere one for each setting."""

    def __init__(self, *, is_shown: bool) -> None:
        self._is_shown = is_shown
        self._is_live = is_shown and sys.stderr.isatty()
        self._line: Line | None = None

    def show(self, probe: Probe, left_s: float) -> None:
        """What is asked now, and how long all that is left takes."""
        is_new, self._line = probe.line != self._line, probe.line
        if not self._is_shown or not (self._is_live or is_new):
            return
        left = f"{left_s / 60:.0f} min" if left_s >= 120 else f"{left_s:.0f} s"
        said = say("port_cmd.scanning", line=line_text(probe.line), address=probe.address, left=left)
        typer.echo(f"\r\x1b[K{said}" if self._is_live else said, err=True, nl=not self._is_live)

    def end(self) -> None:
        """Leave the line."""
        if self._is_live:
            typer.echo("\r\x1b[K", err=True, nl=False)


def _print(url: str, asking: Scan) -> None:
    for found in asking.found:
        typer.echo(say("port_cmd.answers", address=found.address, line=line_text(found.line)))
        if not found.matches:
            typer.echo("  " + say("port_cmd.no_candidate"))
            continue
        best = found.matches[0]
        typer.echo("  " + say("port_cmd.identified" if best.is_identified else "port_cmd.candidates"))
        columns = [
            Column("  " + say("driver.head_name")),
            Column(say("port_cmd.head_values")),
            Column(say("driver.head_title")),
        ]
        shown = [match for match in found.matches if match.is_identified == best.is_identified][:_SHOWN]
        print_table(columns, [_row(match) for match in shown])
        if best.decoded.info:
            typer.echo("  " + ", ".join(f"{key} {value}" for key, value in best.decoded.info.items()))
        typer.echo(f"  gateway device try {best.driver.name} {url} --address {found.address}{_settings(found, best)}")
    if not asking.found and asking.unclear:
        (line, address), heard = next(iter(asking.unclear.items()))
        typer.echo(
            say(
                "port_cmd.scan_unclear",
                count=len(asking.unclear),
                line=line_text(line),
                address=address,
                hex=heard[:24].hex(" "),
            )
        )
    elif not asking.found:
        typer.echo(say("port_cmd.scan_nothing", asked=asking.asked))


def _settings(found: Found, match: Match) -> str:
    """Options that say how the setting differs from the driver's own."""
    here, known = found.line, match.driver.line
    parts = [
        f" --{key} {getattr(here, key)}"
        for key in ("baud", "parity", "stop")
        if getattr(here, key) != getattr(known, key)
    ]
    return "".join(parts)


def _row(match: Match) -> list[str]:
    return ["  " + match.driver.name, f"{match.telling}/{len(match.driver.quantities)}", match.driver.title]


def _facts(asking: Scan) -> dict[str, Any]:
    return {
        "found": [
            {
                "address": found.address,
                "line": _line_facts(found.line),
                "meters": [
                    {
                        "driver": match.driver.name,
                        "identified": match.is_identified,
                        "values": match.telling,
                        "of": len(match.driver.quantities),
                        "info": dict(match.decoded.info),
                    }
                    for match in found.matches
                ],
            }
            for found in asking.found
        ],
        "unclear": [
            {"address": address, "line": _line_facts(line), "received": heard.hex()}
            for (line, address), heard in asking.unclear.items()
        ],
    }


def _line_facts(line: Line) -> dict[str, Any]:
    return {"baud": line.baud, "bits": line.bits, "parity": line.parity, "stop": line.stop}
