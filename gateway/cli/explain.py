"""`gateway explain DEVICE`: one reading's way, from the bytes to the point, with the numbers of every step."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

import gateway.wire.control as wire
from gateway.cli.chosen import FAILED
from gateway.cli.explain_shown import print_parts
from gateway.cli.moments import DEFAULT_ZONE, Unclear, moment
from gateway.cli.places import configuration, fail
from gateway.cli.printing import print_json
from gateway.cli.spool_options import the_zone
from gateway.cli.table import clean
from gateway.ops.texts import say

WARM_UP = 20_000
"""Entries before the one that is explained which are run through the steps, so that those that remember do."""


@dataclass(frozen=True, slots=True)
class Found:
    """A reading's way. `notes` are sentences about what could not be known."""

    parts: Sequence[wire.Explained]
    notes: Sequence[str]
    spool: str = ""


app = typer.Typer()


@app.command(help=say("command.explain"))
def explain(
    device: Annotated[str, typer.Argument(help=say("explain.device"), show_default=False)],
    at: Annotated[str | None, typer.Option("--at", metavar="TIME", help=say("explain.at"), show_default=False)] = None,
    file: Annotated[Path | None, typer.Option("--config", help=say("explain.config"), show_default=False)] = None,
    zone: Annotated[str, typer.Option("--timezone", metavar="ZONE", help=say("moment.zone"))] = DEFAULT_ZONE,
    as_json: Annotated[bool, typer.Option("--json", help=say("cli.json"))] = False,
) -> None:
    """Explain one reading; exit 1 where there is none."""
    where = the_zone(zone)
    if at is None:
        found = asyncio.run(_running(device, file))
        if found is None:
            found = _from_spool(device, None, file, [say("explain.not_running")])
    else:
        try:
            instant = moment(at, time.time_ns(), where)
        except Unclear as error:
            fail(str(error))
        found = _from_spool(device, instant, file, [])
    if as_json:
        print_json({"device": device, "notes": list(found.notes), "parts": [_plain(part) for part in found.parts]})
    else:
        print_parts(device, found.parts, found.notes, where, found.spool)


def _plain(part: wire.Explained) -> dict[str, object]:
    return {name: value for name in part.__struct_fields__ if (value := getattr(part, name))}


async def _running(device: str, file: Path | None) -> Found | None:
    """What the running gateway says; None where none runs that we may ask, or that has the device."""
    from gateway.cli.reaching import control_places

    for place in control_places(file):
        try:
            reader, writer = await asyncio.open_unix_connection(place, limit=wire.LINE_BYTES)
        except OSError:
            continue
        try:
            async with asyncio.timeout(20):
                writer.write(wire.encode(wire.Ask("explain", device=device, by="gateway explain")) + b"\n")
                lines = (await reader.read(1 << 20)).split(b"\n")
                while not reader.at_eof():
                    lines[-1:] = (lines[-1] + await reader.read(1 << 20)).split(b"\n")
            answer = wire.decode(wire.Answer, lines[0])
            parts = [wire.decode(wire.Explained, line) for line in lines[1:] if line]
        except (OSError, TimeoutError, ValueError):
            continue
        finally:
            writer.transport.abort()
        if answer.error:
            continue
        if not parts:
            fail(say("explain.no_reading_yet", device=clean(device)), FAILED)
        notes = [] if any(part.part == "bytes" for part in parts) else [say("explain.no_bytes")]
        return Found(parts, notes)
    return None


def _from_spool(device: str, at: int | None, file: Path | None, notes: list[str]) -> Found:
    """The reading nearest to `at` (None: the newest) that the spool holds, run through the steps again."""
    from gateway.app.edge import device_chain
    from gateway.cli.spool_entries import Tally, Wish, entries
    from gateway.cli.spool_target import find, look_at, troubles
    from gateway.config import load
    from gateway.config.named import find_driver
    from gateway.edge.explaining import told
    from gateway.edge.meaning import Meaning

    target = find(file)
    config = load(configuration(file))
    drivers = {each.id: find_driver(each.driver) for each in config.devices}
    if device not in drivers:
        fail(say("explain.unknown", device=clean(device), known=", ".join(sorted(drivers))))
    spool = look_at(target)
    with troubles():
        chosen = None
        for item in entries(spool, Wish(devices=frozenset({device})), Tally()):
            if item.entry.event:
                continue
            if at is None or chosen is None or abs(item.about_at - at) <= abs(chosen.about_at - at):
                chosen = item
        if chosen is None:
            fail(say("explain.not_held", device=clean(device)), FAILED)
        meaning = Meaning({each.id: device_chain(each, drivers[each.id]) for each in config.devices})
        first = max(spool.first, chosen.number - WARM_UP)
        before = 0
        for item in entries(spool, Wish(numbers=((first, chosen.number),)), Tally()):
            meaning.again(item.entry, item.number)
            before += item.entry.device == device and not item.entry.event
    last = meaning.lives[device].last
    assert last is not None, "the chosen reading is the last one"
    notes = [*notes, say("explain.no_bytes_kept")]
    if meaning.lives[device].chain.has_memory:
        notes.append(say("explain.warm_up", count=before - 1))
    said = {**chosen.entry.v, **chosen.entry.failed}
    parts = list(told(last))
    computed = parts[-1].numbers
    differing = sorted(name for name in said.keys() | computed.keys() if said.get(name) != computed.get(name))
    if differing:
        notes.append(say("explain.differs", quantities=", ".join(differing)))
    flags = {name: chosen.entry.q.get(name, chosen.entry.q.get("*", 1)) for name in said} | chosen.entry.q
    flags.pop("*", None)
    point = wire.Explained("point", t=chosen.t, seq=chosen.seq, numbers=said, flags=flags)
    return Found([*parts[:-1], point], notes, chosen.spool)
