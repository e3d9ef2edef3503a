"""`gateway spool export` and `replay`: entries leave the spool, as a file or to the broker; the spool is only read."""

from __future__ import annotations

import asyncio
import secrets
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal, TextIO

import typer

from gateway.cli.moments import DEFAULT_ZONE
from gateway.cli.places import fail
from gateway.cli.printing import count_of, print_json
from gateway.cli.spool_entries import Item, Tally, entries
from gateway.cli.spool_options import (
    AsJson,
    Devices,
    From,
    Numbers,
    SpoolId,
    To,
    What,
    Zone,
    ids,
    option,
    seqs,
    span,
    tell_foreign,
    the_zone,
    wish,
)
from gateway.cli.spool_target import Target, find, look_at, troubles
from gateway.cli.table import clean
from gateway.ops.texts import say
from gateway.spool.inspect import Look

Node = Annotated[str | None, option("--node", metavar="NAME", text=say("spool.node"))]
Out = Annotated[Path | None, option("--out", metavar="FILE", text=say("spool.out"))]


def export(
    what: What = None,
    form: Annotated[Literal["csv", "lines"], typer.Option("--format", help=say("spool.format"))] = "csv",
    out: Out = None,
    from_: From = None,
    to: To = None,
    device: Devices = None,
    numbers: Numbers = None,
    spool_id: SpoolId = None,
    node: Node = None,
    timezone: Zone = DEFAULT_ZONE,
    as_json: AsJson = False,
) -> None:
    """Write entries as CSV or line protocol; with --json and --out a summary goes to the standard output."""
    from gateway.cli.spool_export import csv_lines, protocol_lines, refusals_text

    if as_json and out is None:
        fail(say("spool.json_needs_out"))
    times, devices, chosen = span(from_, to, the_zone(timezone)), ids(device), seqs(numbers)
    target = find(what)
    name = _node(target, node, is_needed=form == "lines")
    spool = look_at(target)
    tally, refused, lines = Tally(), Counter[str](), 0
    found = entries(spool, wish(spool, times, devices, chosen, spool_id), tally)
    if form == "csv":
        made = csv_lines(found, name)
    else:
        made = protocol_lines(found, name, time.time_ns(), lambda why: refused.update([why]))
    with troubles(), _output(out) as file:
        for line in made:
            file.write(line)
            lines += 1
    lines -= form == "csv"  # the header
    if as_json:
        counts = {"entries": tally.given, "lines": lines, "refused": dict(refused), "foreign": tally.foreign}
        print_json({"file": str(out), "format": form, **counts})
    elif out is not None:
        typer.echo(say("spool.exported", entries=tally.given, lines=lines, file=out), err=True)
    if refused:
        typer.echo(say("spool.would_be_parked", what=refusals_text(refused)), err=True)
    tell_foreign(tally)


def replay(
    what: What = None,
    from_: From = None,
    to: To = None,
    device: Devices = None,
    numbers: Numbers = None,
    spool_id: SpoolId = None,
    everything: Annotated[bool, typer.Option("--all", help=say("spool.all"))] = False,
    per_s: Annotated[float, typer.Option("--per-second", min=0, metavar="N", help=say("spool.per_second"))] = 0,
    config: Annotated[Path | None, option("--config", metavar="FILE", text=say("spool.config"))] = None,
    timezone: Zone = DEFAULT_ZONE,
    as_json: AsJson = False,
) -> None:
    """Send entries again as backlog. Exit 1 where the broker did not take all, or numbers asked for are not held."""
    times, devices, chosen = span(from_, to, the_zone(timezone)), ids(device), seqs(numbers)
    if not everything and not devices and chosen is None and times == (None, None):
        fail(say("spool.say_what"))
    target = find(what if config is None else config)
    path = target.config
    if path is None:
        fail(say("spool.needs_config"))
    if config is not None and what is not None:
        target = replace(target, folder=what.resolve())
    spool = look_at(target)
    wanted = wish(spool, times, devices, chosen, spool_id)
    tally = Tally()
    with troubles():
        sent, why = _send(target, path, entries(spool, wanted, tally), per_s)
    absent = _not_held(spool, wanted.numbers) if chosen is not None and wanted.numbers is not None else 0
    waits = tally.given - sent if not why else 0
    if as_json:
        facts = {"spool": spool.spool_id, "chosen": tally.given, "sent": sent, "undecided": waits, "not_held": absent}
        print_json({**facts, "trouble": why})
    else:
        typer.echo(say("spool.replayed", sent=sent, chosen=tally.given, spool=spool.spool_id))
        if waits:
            typer.echo(say("spool.undecided", count=waits), err=True)
        if absent:
            typer.echo(say("spool.not_held", count=absent), err=True)
        if why:
            typer.echo(say("spool.not_sent", why=why), err=True)
    tell_foreign(tally)
    if why or absent:
        raise typer.Exit(1)


def _send(target: Target, config: Path, found: Iterator[Item], per_s: float) -> tuple[int, str]:
    """How many entries the broker took, and why not all of them; "" where it took all."""
    from gateway.cli import brokers
    from gateway.cli.spool_replay import send
    from gateway.mqtt.link import LinkError

    broker = brokers.find("replay", config=config).broker
    broker = replace(broker, client_id=f"lanna-{target.node}-replay-{secrets.token_hex(4)}")
    sent = 0

    def on_sent(count: int) -> None:
        nonlocal sent
        sent += count

    try:
        asyncio.run(send(broker, found, root=target.root, node=target.node, per_s=per_s, on_sent=on_sent))
    except (LinkError, TimeoutError) as error:
        return sent, clean(str(error)) or type(error).__name__
    return sent, ""


def _not_held(spool: Look, numbers: tuple[tuple[int, int], ...]) -> int:
    held = [(max(first, spool.first), min(last, spool.next - 1)) for first, last in numbers]
    lost = spool.state.lost()
    present = sum(count_of(lost.missing(first, last)) for first, last in held if first <= last)
    return count_of(numbers) - present


def _node(target: Target, said: str | None, *, is_needed: bool) -> str:
    ids([said] if said else None)
    name = said or target.node
    if not name and is_needed:
        fail(say("spool.needs_node"))
    return name


@contextmanager
def _output(out: Path | None) -> Iterator[TextIO]:
    if out is None:
        yield sys.stdout
        return
    try:
        file = out.open("x", encoding="utf-8", newline="")
    except FileExistsError:
        fail(say("spool.exists", file=out))
    with file:
        yield file
