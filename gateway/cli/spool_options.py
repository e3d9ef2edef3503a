"""Arguments and options that the `gateway spool` commands share, and what they come to."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import tzinfo
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.moments import Unclear, moment, zone
from gateway.cli.places import fail
from gateway.cli.spool_entries import Names, Ranges, Tally, Wish, parse_numbers
from gateway.cli.table import clean
from gateway.ops.texts import say
from gateway.spool.inspect import Look
from gateway.wire.topics import is_id


def option(*names: str, metavar: str, text: str) -> typer.models.OptionInfo:
    """An option whose default is not worth showing."""
    info: typer.models.OptionInfo = typer.Option(*names, metavar=metavar, help=text, show_default=False)
    return info


What = Annotated[Path | None, typer.Argument(metavar="[SPOOL]", help=say("spool.what"), show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help=say("cli.json"))]
From = Annotated[str | None, option("--from", metavar="TIME", text=say("moment.from"))]
To = Annotated[str | None, option("--to", metavar="TIME", text=say("moment.to"))]
Zone = Annotated[str, typer.Option("--timezone", metavar="ZONE", help=say("moment.zone"))]
Devices = Annotated[list[str] | None, option("--device", metavar="NAME", text=say("spool.device"))]
Numbers = Annotated[str | None, option("--numbers", metavar="N-M", text=say("spool.numbers"))]
SpoolId = Annotated[str | None, option("--spool", metavar="ID", text=say("spool.id"))]


def the_zone(name: str) -> tzinfo:
    """The time zone of that name. Ends the command where there is none."""
    try:
        return zone(name)
    except Unclear as error:
        fail(str(error))


def span(from_: str | None, to: str | None, where: tzinfo) -> tuple[int | None, int | None]:
    """The two times in ns, None for an open end. Ends the command where they are none, or in the wrong order."""
    now_at = time.time_ns()
    try:
        begin = moment(from_, now_at, where) if from_ is not None else None
        end = moment(to, now_at, where, is_end=True) if to is not None else None
    except Unclear as error:
        fail(str(error))
    if begin is not None and end is not None and begin >= end:
        fail(say("moment.backwards"))
    return begin, end


def ids(names: Sequence[str] | None) -> frozenset[str]:
    """Ids of devices or nodes. Ends the command where one is none."""
    for name in names or ():
        if not is_id(name):
            fail(say("tail.no_id", name=clean(name)))
    return frozenset(names or ())


def seqs(text: str | None) -> Ranges | None:
    """The numbers in `5,8-12`, None where nothing is said. Ends the command where it is none."""
    try:
        return parse_numbers(text) if text is not None else None
    except ValueError:
        fail(say("spool.no_numbers", text=clean(text or "")))


def wish(
    spool: Look,
    times: tuple[int | None, int | None],
    devices: frozenset[str],
    numbers: Ranges | None,
    spool_id: str | None,
) -> Wish:
    """What these options ask of this spool. Ends the command where it has not that name."""
    wanted = numbers if numbers is not None or spool_id is None else ((1, spool.next),)
    if wanted is None:
        return Wish(*times, devices)
    names = Names(spool)
    found = names.numbers(spool_id, wanted)
    if found is None:
        fail(say("spool.other_id", id=clean(spool_id or ""), known=", ".join(era.id for era in names.eras)))
    return Wish(*times, devices, found)


def tell_foreign(tally: Tally) -> None:
    """Say that there were records which are no entries of ours."""
    if tally.foreign:
        typer.echo(say("spool.foreign", count=tally.foreign), err=True)
