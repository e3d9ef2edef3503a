"""`gateway spool replay`: entries go to the broker once more, however often it is away; the spool is only read."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.lazy import INTERRUPTED
from gateway.cli.moments import DEFAULT_ZONE
from gateway.cli.places import fail
from gateway.cli.printing import count_of, numbers_option, print_json
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

if TYPE_CHECKING:
    from gateway.cli.spool_replay import Replay

_TELL_EVERY_S = 5.0


def replay(
    what: What = None,
    from_: From = None,
    to: To = None,
    device: Devices = None,
    numbers: Numbers = None,
    spool_id: SpoolId = None,
    everything: Annotated[bool, typer.Option("--all", help=say("spool.all"))] = False,
    per_s: Annotated[float, typer.Option("--per-second", min=0, metavar="N", help=say("spool.per_second"))] = 0,
    patience: Annotated[str, typer.Option("--patience", metavar="TIME", help=say("spool.patience"))] = "5 min",
    config: Annotated[Path | None, option("--config", metavar="FILE", text=say("spool.config"))] = None,
    timezone: Zone = DEFAULT_ZONE,
    as_json: AsJson = False,
) -> None:
    """Send entries again as backlog. Exit 1 where the broker did not take all, or numbers asked for are not held."""
    times, devices, chosen = span(from_, to, the_zone(timezone)), ids(device), seqs(numbers)
    if not everything and not devices and chosen is None and times == (None, None):
        fail(say("spool.say_what"))
    patience_s = _duration(patience)
    target = find(what if config is None else config)
    path = target.config
    if path is None:
        fail(say("spool.needs_config"))
    if config is not None and what is not None:
        target = replace(target, folder=what.resolve())
    spool = look_at(target)
    wanted = wish(spool, times, devices, chosen, spool_id)
    tally = Tally()

    def found() -> Iterator[Item]:
        return entries(spool, wanted, tally)

    with troubles():
        job, why = _send(target, path, found, per_s, patience_s)
        left = {}
        if why:
            tally.given = tally.foreign = 0  # all are looked at once more
            left = _left(job, found)
    absent = _not_held(spool, wanted.numbers) if chosen is not None and wanted.numbers is not None else 0
    missed = sum(map(count_of, left.values()))
    waits = tally.given - job.count - missed
    if as_json:
        facts = {"spool": spool.spool_id, "chosen": tally.given, "sent": job.count, "undecided": waits}
        print_json(facts | {"not_held": absent, "left": left, "trouble": why})
    else:
        typer.echo(say("spool.replayed", sent=job.count, chosen=tally.given, spool=spool.spool_id))
        if waits:
            typer.echo(say("spool.undecided", count=waits), err=True)
        if absent:
            typer.echo(say("spool.not_held", count=absent), err=True)
        if why:
            typer.echo(say("spool.not_sent", why=why), err=True)
        for id_, ranges in left.items():
            typer.echo(say("spool.left", spool=id_, count=count_of(ranges), numbers=numbers_option(ranges)), err=True)
    tell_foreign(tally)
    if why or absent:
        raise typer.Exit(INTERRUPTED if why == say("spool.interrupted") else 1)


def _duration(text: str) -> float:
    from gateway.config.problems import Unfit
    from gateway.config.units import duration_s

    try:
        return duration_s(text)
    except Unfit as error:
        fail(f"--patience: {error}")


def _send(
    target: Target, config: Path, found: Callable[[], Iterator[Item]], per_s: float, patience_s: float
) -> tuple[Replay, str]:
    """The replay as it ended, and why the broker did not take all; "" where it did."""
    from gateway.cli import brokers
    from gateway.cli.spool_replay import Replay, batches
    from gateway.mqtt.link import LinkError

    broker = brokers.find("replay", config=config).broker
    broker = replace(broker, client_id=f"lanna-{target.node}-replay-{secrets.token_hex(4)}")
    told_mono = time.monotonic()
    told_why = ""

    def on_progress(count: int) -> None:
        nonlocal told_mono, told_why
        told_why = ""
        if time.monotonic() - told_mono >= _TELL_EVERY_S:
            told_mono = time.monotonic()
            typer.echo(say("spool.taken", count=count), err=True)

    def on_wait(why: str) -> None:
        nonlocal told_why
        if why != told_why:
            told_why = why
            typer.echo(say("spool.waits", why=clean(why)), err=True)

    job = Replay(
        lambda limit: batches(found(), target.root, target.node, limit), per_s, patience_s, on_wait, on_progress
    )
    try:
        asyncio.run(job.run(broker))
    except (LinkError, TimeoutError) as error:
        return job, clean(str(error)) or type(error).__name__
    except KeyboardInterrupt:
        return job, say("spool.interrupted")
    return job, ""


def _left(job: Replay, found: Callable[[], Iterator[Item]]) -> dict[str, list[tuple[int, int]]]:
    from gateway.cli.spool_replay import remaining

    return {spool: numbers.ranges() for spool, numbers in remaining(found(), job.sent).items()}


def _not_held(spool: Look, numbers: tuple[tuple[int, int], ...]) -> int:
    held = [(max(first, spool.first), min(last, spool.next - 1)) for first, last in numbers]
    lost = spool.state.lost()
    present = sum(count_of(lost.missing(first, last)) for first, last in held if first <= last)
    return count_of(numbers) - present
