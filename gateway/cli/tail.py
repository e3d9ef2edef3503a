"""`gateway tail`: readings as they arrive at the broker."""

from __future__ import annotations

import asyncio
import shutil
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.brokers import Target, find
from gateway.cli.places import fail
from gateway.cli.readings import Reader, Seen, Wish, as_json, columns, rows
from gateway.cli.table import Table, clean, has_colour
from gateway.ops.texts import say
from gateway.wire.topics import CLASSES, is_id

app = typer.Typer()

Names = list[str] | None


@app.command(help=say("command.tail"))
def tail(
    node: Annotated[Names, typer.Option(metavar="NAME", help=say("tail.only_node"), show_default=False)] = None,
    device_class: Annotated[
        Names, typer.Option("--class", metavar="NAME", help=say("tail.only_class"), show_default=False)
    ] = None,
    device: Annotated[Names, typer.Option(metavar="NAME", help=say("tail.only_device"), show_default=False)] = None,
    quantity: Annotated[Names, typer.Option(metavar="NAME", help=say("tail.only_quantity"), show_default=False)] = None,
    late: Annotated[bool, typer.Option("--late", help=say("tail.with_late"))] = False,
    json: Annotated[bool, typer.Option("--json", help=say("tail.json"))] = False,
    count: Annotated[int, typer.Option(min=0, metavar="N", help=say("tail.count"), show_default=False)] = 0,
    url: Annotated[str | None, typer.Option(metavar="URL", help=say("broker.url"), show_default=False)] = None,
    root: Annotated[str | None, typer.Option(metavar="ROOT", help=say("broker.root"), show_default=False)] = None,
    username: Annotated[
        str | None, typer.Option(metavar="NAME", help=say("broker.username"), show_default=False)
    ] = None,
    password_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help=say("broker.password_file"), show_default=False)
    ] = None,
    ca_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help=say("broker.ca_file"), show_default=False)
    ] = None,
    config: Annotated[Path | None, typer.Option(metavar="FILE", help=say("cli.file"), show_default=False)] = None,
) -> None:
    """Print readings until Ctrl-C, or until there were `count`. Exit 1 where the broker cannot be reached at first."""
    wish = _wish(node or [], device_class or [], device or [], quantity or [], late=late)
    target = find(
        "tail",
        url=url,
        root=root,
        config=config,
        username=username,
        password_file=password_file,
        ca_file=ca_file,
    )
    reader = Reader(target.root, wish)
    try:
        asyncio.run(_follow(target, reader, _Output(reader, is_json=json), count))
    except _Enough:
        pass
    except _Unreachable as error:
        fail(say("tail.unreachable", broker=target.broker.where, why=clean(str(error)), how=target.why), 1)


def _wish(nodes: list[str], classes: list[str], devices: list[str], quantities: list[str], *, late: bool) -> Wish:
    from drivers.core.quantities import UnknownQuantity, resolve
    from gateway.config.problems import suggest

    for name in (*nodes, *devices):
        if not is_id(name):
            fail(say("tail.no_id", name=clean(name)))
    for name in classes:
        if name not in CLASSES:
            fail(say("tail.no_class", name=clean(name)) + suggest(name, CLASSES))
    try:
        known = [resolve(name) for name in quantities]
    except UnknownQuantity as error:
        fail(str(error))
    return Wish(frozenset(nodes), frozenset(classes), frozenset(devices), frozenset(known), late)


class _Enough(Exception):
    """As many readings were shown as were wished for."""


class _Unreachable(Exception):
    """The first attempt to reach the broker failed."""


class _Output:
    """Writes readings to the standard output: rows of a table, or lines of JSON."""

    def __init__(self, reader: Reader, *, is_json: bool) -> None:
        self.reader = reader
        self.is_json = is_json
        self.is_terminal = sys.stdout.isatty()
        self.table = Table(columns(), colour=has_colour(sys.stdout))
        self._told_unreadable = 0
        self._has_header = is_json

    def show(self, readings: list[Seen]) -> None:
        """Write readings and let them be seen at once."""
        now = time.time_ns()
        self.table.width = shutil.get_terminal_size().columns if self.is_terminal else None
        if readings and not self._has_header:
            self._has_header = True
            self._write(self.table.header())
        for seen in readings:
            if self.is_json:
                self._write(as_json(seen, self.reader))
            else:
                for row in rows(seen, self.reader, now):
                    self._write(self.table.row(row))
        sys.stdout.flush()
        if self.reader.unreadable > 2 * self._told_unreadable:  # 1, 3, 7 …: told, but not for ever
            self._told_unreadable = self.reader.unreadable
            typer.echo(say("tail.unreadable", count=self.reader.unreadable), err=True)

    def _write(self, line: str) -> None:
        sys.stdout.write(line + "\n")


async def _follow(target: Target, reader: Reader, output: _Output, count: int) -> None:
    from gateway.mqtt.link import Connection, stay_connected

    is_known = False
    left = count or sys.maxsize

    def on_state(state: str, why: str) -> None:
        if state == "up":
            return
        if not is_known:
            raise _Unreachable(why)
        typer.echo(say("tail.lost", why=clean(why)), err=True)

    async def use(connection: Connection) -> None:
        nonlocal is_known, left
        await connection.subscribe(*reader.wish.filters(target.root), qos=0)
        if is_known:
            typer.echo(say("tail.again"), err=True)
        else:
            typer.echo(say("tail.connected", broker=target.broker.where, root=target.root, how=target.why), err=True)
        is_known = True
        while True:
            readings: list[Seen] = []
            for message in await connection.receive():
                readings += reader.take(message.topic, message.payload)
            output.show(readings[:left])
            left -= len(readings[:left])
            if left == 0:
                raise _Enough

    await stay_connected(target.broker, lambda: None, use, on_state=on_state)
