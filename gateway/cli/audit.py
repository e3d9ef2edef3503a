"""`gateway audit`: asks ledger, parked store and database whether every number is accounted for. Only reads."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.databases import the_database, the_ingest, troubles
from gateway.cli.moments import DEFAULT_ZONE, days, to_datetime
from gateway.cli.places import fail
from gateway.cli.printing import print_json
from gateway.cli.spool_options import AsJson, Zone, ids, option, span, the_zone
from gateway.ops.texts import say
from gateway.wire.times import SECOND

if TYPE_CHECKING:
    from gateway.audit.report import Report
    from gateway.config.model import Ingest

app = typer.Typer()

_DURABLE_S = {"victoriametrics": 30.0}
_MOST_DAYS = 3700


@app.command(help=say("command.audit"), epilog=say("audit.exit_codes"))
def audit(
    from_: Annotated[str, typer.Option("--from", metavar="TIME", help=say("moment.from"))] = "yesterday",
    to: Annotated[str, typer.Option("--to", metavar="TIME", help=say("moment.to"))] = "now",
    node: Annotated[list[str] | None, option("--node", metavar="NAME", text=say("audit.node"))] = None,
    timezone: Zone = DEFAULT_ZONE,
    show_all: Annotated[bool, typer.Option("--all", help=say("audit.all"))] = False,
    config: Annotated[Path | None, option("--config", metavar="FILE", text=say("cli.file"))] = None,
    as_json: AsJson = False,
) -> None:
    """Print the accounts. Exit 1 where a number is nowhere, or in the database twice, or a source does not answer."""
    from gateway.audit import report as made
    from gateway.cli.audit_shown import print_report

    where = the_zone(timezone)
    from_at, to_at = span(from_, to, where)
    assert from_at is not None, "it has a default"
    now_at = time.time_ns()
    to_at = min(now_at, to_at) if to_at is not None else now_at
    if from_at >= to_at:
        fail(say("audit.future"))
    _bounded(from_at, to_at)
    table = the_ingest(config)
    with troubles():
        report = _ask(table, from_at, to_at, now_at, ids(node), timezone)
    if as_json:
        print_json(made.as_json(report))
    else:
        print_report(report, where, show_all=show_all)
    raise typer.Exit(0 if report.is_accounted else 1)


def _bounded(from_at: int, to_at: int) -> None:
    if (to_at - from_at) > _MOST_DAYS * 86_400 * SECOND:
        fail(say("audit.too_long", days=_MOST_DAYS))


def _ask(table: Ingest, from_at: int, to_at: int, now_at: int, only: frozenset[str], timezone: str) -> Report:
    from gateway.audit.gather import Gathering, Window
    from gateway.audit.report import Report, node_report
    from gateway.audit.sources import read_ledger, read_parked

    with the_database(table) as database:
        grace_s = table.grace_s + _DURABLE_S.get(database.name, 0.0)
        # The ledger first: what it calls stored by now must be in the database when that is asked.
        ledger = read_ledger(Path(table.state) / "ledger.sqlite", now_at, grace_s)
        parked = read_parked(Path(table.state) / "parked.sqlite")
        kept_from = database.kept_from(now_at)
        window = Window(max(from_at, kept_from), to_at, now_at, grace_s)
        if window.from_at >= to_at:
            fail(say("audit.not_kept", t=f"{to_datetime(kept_from, the_zone(timezone)):%Y-%m-%d %H:%M:%S}"), 1)
        known = {*ledger.nodes, *database.nodes(window.from_at, to_at)}
        if unknown := only - known:
            fail(say("audit.unknown_node", node=", ".join(sorted(unknown)), known=", ".join(sorted(known)) or "-"))
        calendar = days(window.from_at, to_at, the_zone(timezone))
        nodes = []
        for name in sorted(only or known):
            held, dropped = parked.held.get(name, {}), parked.dropped.get(name, {})
            gathered = Gathering(database, name, window, ledger.nodes.get(name, {}), held, dropped).gather()
            nodes.append(node_report(gathered, window, calendar))
        return Report(window, timezone, ledger.id, database.name, kept_from, nodes)
