"""`gateway spool`: look into a node's durable log, check it, take its content out, repair it, send a part of it again.

All but `repair` only read, and work beside a running gateway.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli import spool_shown as shown
from gateway.cli.moments import DEFAULT_ZONE
from gateway.cli.printing import print_json
from gateway.cli.spool_again import replay
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
from gateway.cli.spool_out import export
from gateway.cli.spool_target import find, look_at, troubles
from gateway.ops.texts import say

app = typer.Typer(help=say("command.spool"), no_args_is_help=True)


@app.command(help=say("spool.status"))
def status(what: What = None, timezone: Zone = DEFAULT_ZONE, as_json: AsJson = False) -> None:
    """Print the spool's figures."""
    from gateway.cli.spool_status import status as figures

    where = the_zone(timezone)
    target = find(what)
    with troubles():
        found = figures(target, look_at(target), time.time_ns())
    if as_json:
        print_json(found)
    else:
        shown.print_status(found, where)


@app.command("ls", help=say("spool.ls"))
def list_entries(
    what: What = None,
    from_: From = None,
    to: To = None,
    device: Devices = None,
    numbers: Numbers = None,
    spool_id: SpoolId = None,
    limit: Annotated[int, typer.Option(min=0, metavar="N", help=say("spool.limit"))] = 50,
    timezone: Zone = DEFAULT_ZONE,
    as_json: AsJson = False,
) -> None:
    """Print entries, the newest last."""
    where = the_zone(timezone)
    times, devices, chosen = span(from_, to, where), ids(device), seqs(numbers)
    spool = look_at(find(what))
    wanted = wish(spool, times, devices, chosen, spool_id)
    if limit and wanted.is_everything:  # no need to read what would not be shown
        wanted = replace(wanted, numbers=((max(spool.first, spool.next - limit), spool.next - 1),))
    tally = Tally()
    with troubles():
        found = entries(spool, wanted, tally)
        shown.print_entries(spool, deque(found, limit) if limit else found, where, as_json=as_json)
    tell_foreign(tally)


@app.command(help=say("spool.verify"))
def verify(what: What = None, as_json: AsJson = False) -> None:
    """Read everything; exit 1 where anything is damaged."""
    spool = look_at(find(what))
    with troubles():
        found = spool.examine()
    is_whole = not (found.damages or found.lost or found.settled or spool.is_partial)
    if as_json:
        print_json(shown.examination(spool, found, is_whole=is_whole))
    else:
        shown.print_examination(spool, found, is_whole=is_whole)
    raise typer.Exit(0 if is_whole else 1)


app.command("export", help=say("spool.export"))(export)


@app.command(help=say("spool.repair"))
def repair(
    what: What = None,
    into: Annotated[Path | None, option("--into", metavar="FOLDER", text=say("spool.into"))] = None,
    as_json: AsJson = False,
) -> None:
    """Put a whole spool in the place of a damaged one."""
    from gateway.spool.repair import repair as mend

    target = find(what)
    look_at(target)
    with troubles():
        report = mend(target.folder, into=into.resolve() if into is not None else None)
    if as_json:
        print_json(shown.repaired(report))
    else:
        shown.print_repaired(report)


app.command("replay", help=say("spool.replay"), epilog=say("spool.replay_epilog"))(replay)
