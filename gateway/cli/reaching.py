"""A port that a running gateway may hold: a command then listens in through the control socket, or borrows the port."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Literal

import typer

import gateway.wire.control as wire
from drivers.core.contract import Line
from gateway.cli.chosen import FAILED, line_text
from gateway.cli.places import default_configuration, fail
from gateway.edge.control_place import places
from gateway.ops.texts import say
from gateway.ports import PortLost
from gateway.ports.capture import Record

Take = Annotated[bool, typer.Option("--take", help=say("port_cmd.take"))]
_ANSWER_S = 20.0
"""A port whose opening hangs in its driver is lent after that has been given up."""


class Tap:
    """A port of a running gateway: what goes over it, both ways. Nothing can be sent."""

    def __init__(self, answer: wire.Answer, reader: asyncio.StreamReader) -> None:
        self.node, self.pid, self.held = answer.node, answer.pid, answer.ports[0]
        self.lost = 0
        """Bytes that we were too slow for."""
        self._reader = reader

    @property
    def line(self) -> Line:
        """The line settings that the gateway uses."""
        held = self.held
        return Line(held.baud, held.bits, held.parity, held.stop)

    def address_of(self, driver: str) -> int | None:
        """Where the gateway has a device of this driver on the port; None where it has none."""
        return next((each.address for each in self.held.devices if each.driver == driver), None)

    async def record(self) -> Record:
        """The next bytes. Raises PortLost when the gateway has ended."""
        line = await _line(self._reader)
        if line is None:
            raise PortLost(self.held.url, say("port_cmd.gateway_ended"))
        heard = wire.decode(wire.Heard, line)
        self.lost += heard.lost
        return Record(heard.t, heard.d, bytes.fromhex(heard.hex))

    def tell(self) -> None:
        """Say, on the error output, whose port this is."""
        devices = ", ".join(f"{each.id} ({each.driver})" for each in self.held.devices)
        typer.echo(
            say(
                "port_cmd.tapping",
                node=self.node,
                pid=self.pid,
                port=self.held.url,
                line=line_text(self.line),
                devices=devices,
            ),
            err=True,
        )


@asynccontextmanager
async def at_port(url: str, take: bool, by: str) -> AsyncIterator[Tap | None]:
    """None: the port may be opened in the body, be it that no gateway has it, or that we borrowed it, with `take`.

    Else a tap. Ends the command (exit 1) where the port is borrowed already; a loan whose gateway ends takes the
    body with it.
    """
    found = await _ask(url, "borrow" if take else "tap", by)
    if found is not None and not take and not found[0].error and found[0].ports[0].state == "closed":
        # The gateway cannot open it, so there is nothing to hear, nor to lose.
        found[2].transport.abort()
        found, take = await _ask(url, "borrow", by), True
    if found is None:
        yield None
        return
    answer, reader, writer = found
    try:
        if answer.error == "borrowed":
            fail(say("port.borrowed", port=url, detail=answer.ports[0].by), FAILED)
        if answer.error:
            fail(say("port_cmd.control_refused", why=answer.error), FAILED)
        if not take:
            tap = Tap(answer, reader)
            tap.tell()
            yield tap
            return
        typer.echo(say("port_cmd.borrowed", node=answer.node, pid=answer.pid, port=url), err=True)
        try:
            async with _while_lent(reader):
                yield None
        finally:
            typer.echo(say("port_cmd.given_back", node=answer.node, port=url), err=True)
    finally:
        writer.transport.abort()


@asynccontextmanager
async def _while_lent(reader: asyncio.StreamReader) -> AsyncIterator[None]:
    body = asyncio.current_task()
    assert body is not None
    has_ended = False

    async def watch() -> None:
        nonlocal has_ended
        while await _line(reader) is not None:
            pass
        has_ended = True
        body.cancel()

    watching = asyncio.create_task(watch(), name="loan")
    try:
        yield
    except asyncio.CancelledError:
        if not has_ended:
            raise
        body.uncancel()
        fail(say("port_cmd.gateway_ended"), FAILED)
    finally:
        watching.cancel()


_Answered = tuple[wire.Answer, asyncio.StreamReader, asyncio.StreamWriter]


async def _ask(url: str, what: Literal["tap", "borrow"], by: str) -> _Answered | None:
    """The gateway that has the port, having answered; None where no gateway has it that we may ask."""
    for place in control_places():
        answered = await _ask_at(place, wire.Ask(what, port=url, by=by))
        if answered is not None and answered[0].error != "unknown-port":
            return answered
        if answered is not None:
            answered[2].transport.abort()
    return None


async def _ask_at(place: Path, ask: wire.Ask) -> _Answered | None:
    try:
        reader, writer = await asyncio.open_unix_connection(place, limit=wire.LINE_BYTES)
    except OSError:
        return None
    try:
        async with asyncio.timeout(_ANSWER_S):
            writer.write(wire.encode(ask) + b"\n")
            line = await _line(reader)
        return wire.decode(wire.Answer, line or b""), reader, writer
    except (OSError, TimeoutError, ValueError):
        writer.transport.abort()
        return None


async def running_ports() -> list[tuple[wire.Answer, wire.HeldPort]]:
    """Every port of every running gateway that we may ask, with the answer that names its node."""
    found = []
    for place in control_places():
        answered = await _ask_at(place, wire.Ask("ports"))
        if answered is not None:
            found += [(answered[0], port) for port in answered[0].ports]
            answered[2].transport.abort()
    return found


def control_places(file: Path | None = None) -> list[Path]:
    """Where a socket may be, one that the configuration (`file`, or the one in force) names first."""
    from gateway import config

    path = file or default_configuration()
    said = None
    if path is not None:
        with contextlib.suppress(config.ConfigError):
            found, _ = config.check(path)
            said = found.node.control if found is not None and found.node is not None else None
    return [*([said] if said is not None else []), *places()]


async def _line(reader: asyncio.StreamReader) -> bytes | None:
    """The next line; None at the end, be it in the midst of one."""
    try:
        return await reader.readuntil(b"\n")
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError):
        return None
