"""`gateway device`: try an instrument on a port, and say in words what is wrong where nothing comes."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import typer

from drivers.core.contract import Decoded, Dialogue, Driver, Line, Listening, Options
from gateway.cli.chosen import (
    FAILED,
    Address,
    AsJson,
    Baud,
    Bits,
    DriverName,
    ParityOption,
    PortName,
    Settings,
    Stop,
    agree,
    choose_line,
    choose_options,
    choose_wired,
    line_text,
    opened,
)
from gateway.cli.device_address import address as change_address
from gateway.cli.device_hours import hours
from gateway.cli.device_replace import replace
from gateway.cli.device_shown import print_reading, short
from gateway.cli.device_tapped import TAPPED_S, listen_in
from gateway.cli.device_trial import OnReading, Tally, Trial
from gateway.cli.device_verdict import Verdict, judge
from gateway.cli.printing import print_json
from gateway.cli.reaching import Take, at_port
from gateway.ops.texts import say

app = typer.Typer(help=say("command.device"), no_args_is_help=True)


app.command("hours", help=say("device_hours.help"))(hours)
app.command("replace", help=say("device_replace.help"))(replace)
app.command("address", help=say("device_address.help"))(change_address)


@app.command("try", help=say("device_cmd.try"))
def attempt(
    driver_name: DriverName,
    port: PortName,
    address: Address = None,
    seconds: Annotated[
        float | None, typer.Option("--seconds", min=0.1, max=86_400, help=say("device_cmd.seconds"))
    ] = None,
    count: Annotated[int, typer.Option("--count", min=0, help=say("device_cmd.count"))] = 0,
    option: Settings = None,
    baud: Baud = None,
    bits: Bits = None,
    parity: ParityOption = None,
    stop: Stop = None,
    take: Take = False,
    as_json: AsJson = False,
) -> None:
    """Read or ask for a while; exit 1 where no reading came."""
    driver = choose_wired(driver_name)
    options = choose_options(driver, option)
    agree(driver, options, driver.at(address))
    line = choose_line(driver.line, baud, bits, parity, stop)
    tally = asyncio.run(
        _try(driver, port, line, address, options, seconds, count, take=take, on_reading=_mute if as_json else _tell)
    )
    verdict = judge(driver, tally, port=port, line=line_text(line), address=driver.at(address))
    if as_json:
        print_json(_facts(driver, port, tally, verdict))
    else:
        _print(driver, tally, verdict)
    raise typer.Exit(0 if verdict.is_good else FAILED)


def default_seconds(driver: Driver) -> float:
    """Long enough for a few readings of it."""
    if isinstance(driver.kind, Dialogue):
        return 60.0
    is_listening = isinstance(driver.kind, Listening)
    return max(6.0, 3 * driver.period_s) if is_listening else 6.0


def default_count(driver: Driver) -> int:
    """One reading of a device that takes its time tells enough; 0 for no end but the time's."""
    return 1 if isinstance(driver.kind, Dialogue) else 0


async def _try(
    driver: Driver,
    url: str,
    line: Line,
    address: int | None,
    options: Options,
    seconds: float | None,
    count: int,
    *,
    take: bool,
    on_reading: OnReading,
) -> Tally:
    async with at_port(url, take, "gateway device try") as tap:
        if tap is not None:
            _announce(driver, url, tap.line, seconds or TAPPED_S, on_reading)
            where = tap.address_of(driver.name) if address is None else address
            return await listen_in(tap, driver, where, options, seconds or TAPPED_S, count, on_reading)
        async with opened(url, line) as port:
            seconds = seconds or default_seconds(driver)
            _announce(driver, url, line, seconds, on_reading)
            trial = Trial(driver, port, line, address=driver.at(address), options=options, on_reading=on_reading)
            return await trial.run(seconds, count or default_count(driver))


def _announce(driver: Driver, url: str, line: Line, seconds: float, on_reading: OnReading) -> None:
    if on_reading is not _mute:
        facts = {"driver": driver.name, "port": url, "line": line_text(line), "seconds": f"{seconds:g}"}
        typer.echo(say("device_cmd.trying", **facts))


def _mute(t_s: float, decoded: Decoded) -> None:
    pass


def _tell(t_s: float, decoded: Decoded) -> None:
    typer.echo(short(t_s, decoded))


def _print(driver: Driver, tally: Tally, verdict: Verdict) -> None:
    if tally.last is not None:
        typer.echo("\n" + say("device_cmd.last"))
        print_reading(tally.last)
    typer.echo(
        "\n"
        + say("device_cmd.counts", readings=tally.readings, bytes=tally.arrived, discarded=tally.discarded)
        + (" " + say("device_cmd.questions", asked=tally.asked, unanswered=tally.unanswered) if tally.asked else "")
    )
    for reason, count in sorted(tally.rejected.items()):
        typer.echo(
            "  " + say("device_cmd.rejected", count=count, reason=reason, what=say(f"driver.reason_{reason.lower()}"))
        )
    for example in tally.examples:
        typer.echo(f"    {example}")
    if tally.received and not tally.readings:
        typer.echo("  " + say("device_cmd.received", hex=tally.received.hex(" ")))
    typer.echo("\n" + verdict.text)


def _facts(driver: Driver, port: str, tally: Tally, verdict: Verdict) -> dict[str, Any]:
    last = tally.last
    return {
        "driver": driver.name,
        "port": port,
        "tapped": tally.is_tapped,
        "seconds": round(tally.seconds, 3),
        "readings": tally.readings,
        "last": None
        if last is None
        else {"values": dict(last.values), "quality": dict(last.quality), "info": dict(last.info)},
        "bytes": tally.arrived,
        "received": tally.received.hex(),
        "discarded_bytes": tally.discarded,
        "questions": tally.asked,
        "unanswered": tally.unanswered,
        "rejected": dict(tally.rejected),
        "examples": list(tally.examples),
        "verdict": {"key": verdict.key, "text": verdict.text, "good": verdict.is_good},
    }
