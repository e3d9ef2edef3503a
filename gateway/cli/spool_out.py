"""`gateway spool export` and `replay`: entries leave the spool, as a file or to the broker; the spool is only read."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal, TextIO

import typer

from gateway.cli.moments import DEFAULT_ZONE
from gateway.cli.places import fail
from gateway.cli.printing import print_json
from gateway.cli.spool_entries import Tally, entries
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
from gateway.ops.texts import say

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
