"""`gateway device address`: give a meter another bus address, asked for by a person and read back afterwards."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from drivers.core.contract import DeviceFault, Driver, Line, Options, Polled, Readdress, Rejection
from gateway.cli.chosen import (
    FAILED,
    Baud,
    Bits,
    DriverName,
    ParityOption,
    PortName,
    Settings,
    Stop,
    choose_driver,
    choose_line,
    choose_options,
    explain,
    line_text,
    opened,
    parse_address,
)
from gateway.cli.device_shown import short
from gateway.cli.device_trial import Tally, Trial
from gateway.cli.places import fail
from gateway.cli.reaching import Take, at_port
from gateway.ops.texts import say
from gateway.ports import Bus, Port, PortLost

_LOOK_S = 3.0
_QUIET_S = 1.5
"""So long must an address be silent at which nobody is thought to be."""
_BACK_S = 6.0
"""A meter may write its memory, or restart, before it answers at its new address."""

At = Annotated[int, typer.Option("--from", metavar="ADDRESS", parser=parse_address, help=say("device_address.from"))]
To = Annotated[int, typer.Option("--to", metavar="ADDRESS", parser=parse_address, help=say("device_address.to"))]


def address(
    driver_name: DriverName,
    port: PortName,
    old: At,
    new: To,
    yes: Annotated[bool, typer.Option("--yes", help=say("device_address.yes"))] = False,
    option: Settings = None,
    baud: Baud = None,
    bits: Bits = None,
    parity: ParityOption = None,
    stop: Stop = None,
    take: Take = False,
) -> None:
    """Look, ask, write, look again; exit 1 where the meter is not at its new address then."""
    driver = choose_driver(driver_name)
    how = driver.kind.readdress if isinstance(driver.kind, Polled) else None
    if how is None:
        fail(say("device_address.unknown_how", driver=driver.name))
    if old == new or not 1 <= new <= 247 or not 1 <= old <= 255:
        fail(say("device_address.bad"))
    line = choose_line(driver.line, baud, bits, parity, stop)
    work = _Change(driver, line, choose_options(driver, option), port, old, new)
    try:
        is_done = asyncio.run(work.run(how, take=take, is_sure=yes))
    except PortLost as error:
        explain(error)
        is_done = False
    raise typer.Exit(0 if is_done else FAILED)


class _Change:
    """One change of one meter's address."""

    def __init__(self, driver: Driver, line: Line, options: Options, url: str, old: int, new: int) -> None:
        self._driver, self._line, self._options, self._url = driver, line, options, url
        self._old, self._new = old, new

    async def run(self, how: Readdress, *, take: bool, is_sure: bool) -> bool:
        """Whether the meter answers at its new address, and only there. Raises PortLost."""
        async with at_port(self._url, take, "gateway device address") as tap:
            if tap is not None:
                typer.echo(say("device_address.needs_take"), err=True)
                return False
            async with opened(self._url, self._line) as port:
                before = await self._look(port, self._old, _LOOK_S)
                if before.last is None:
                    typer.echo(self._say("nobody", line=line_text(self._line)), err=True)
                    return False
                typer.echo(self._say("is_there"))
                typer.echo("  " + short(0.0, before.last).partition(" s  ")[2])
                if (await self._look(port, self._new, _QUIET_S)).arrived:
                    typer.echo(self._say("taken"), err=True)
                    return False
                if how.note:
                    typer.echo(how.note)
                if not (is_sure or await asyncio.to_thread(typer.confirm, self._say("confirm"))):
                    return False
                return await self._change(port, how)

    async def _change(self, port: Port, how: Readdress) -> bool:
        refusal = await self._write(port, how)
        if refusal is not None:
            typer.echo(self._say("refused", why=refusal), err=True)
            return False
        if (await self._look(port, self._new, _BACK_S)).last is None:
            typer.echo(self._say("not_back"), err=True)
            return False
        if (await self._look(port, self._old, _QUIET_S)).readings:
            typer.echo(self._say("both"), err=True)
            return False
        typer.echo(self._say("done"))
        return True

    async def _look(self, port: Port, where: int, seconds: float) -> Tally:
        trial = Trial(self._driver, port, self._line, address=where, options=self._options)
        tally = await trial.run(seconds, count=1)
        if tally.lost:
            raise PortLost(self._url, tally.lost)
        return tally

    async def _write(self, port: Port, how: Readdress) -> Rejection | None:
        """Write it once. What the meter refused; None where it agreed, or said nothing: looking again will tell."""
        request = how.request(self._old, self._new)
        framer, refusals = request.framer(), list[Rejection]()

        async def opening() -> Port:
            return port

        def take(data: bytes) -> bool:
            items = framer.feed(data)
            refusals.extend(item for item in items if isinstance(item, DeviceFault))
            return bool(items)

        async with Bus(self._url, opening, self._line).turn("address") as turn:
            patience_s = request.patience_s(self._line)
            await turn.ask(request.data, take, quiet_s=request.gap_s, patience_s=patience_s)
        return refusals[0] if refusals else None

    def _say(self, key: str, **values: object) -> str:
        facts = {"driver": self._driver.name, "old": self._old, "new": self._new, "port": self._url}
        return say(f"device_address.{key}", **facts, **values)
