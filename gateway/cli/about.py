"""`gateway about`: what a device or node is, or was at a time; asked of the backbone's database. Only reads."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli.databases import the_database, the_ingest, troubles
from gateway.cli.moments import DEFAULT_ZONE, Unclear, moment
from gateway.cli.places import fail
from gateway.cli.printing import print_json, when
from gateway.cli.spool_options import AsJson, Zone, ids, option, the_zone
from gateway.cli.table import clean
from gateway.ops.texts import say
from gateway.wire.times import format_time

if TYPE_CHECKING:
    from datetime import tzinfo

    from gateway.audit.descriptions import Description

app = typer.Typer()


@app.command(help=say("command.about"), epilog=say("about.exit_codes"))
def about(
    name: Annotated[str, typer.Argument(metavar="DEVICE", help=say("about.name"), show_default=False)],
    at: Annotated[str, typer.Option("--at", metavar="TIME", help=say("about.at"))] = "now",
    node: Annotated[list[str] | None, option("--node", metavar="NAME", text=say("about.node"))] = None,
    show_all: Annotated[bool, typer.Option("--all", help=say("about.all"))] = False,
    timezone: Zone = DEFAULT_ZONE,
    config: Annotated[Path | None, option("--config", metavar="FILE", text=say("cli.file"))] = None,
    as_json: AsJson = False,
) -> None:
    """Print it. Exit 1 where nothing is known of it, or not at that time."""
    from gateway.audit.descriptions import as_of, revisions

    where, now_at = the_zone(timezone), time.time_ns()
    ids([name])
    only = ids(node)
    try:
        at_ns = moment(at, now_at, where)
    except Unclear as error:
        fail(str(error))
    table = the_ingest(config)
    with troubles(), the_database(table) as database:
        told = [each for each in database.descriptions(name, now_at + 1) if not only or each.node in only]
    found = revisions(told) if show_all else as_of(told, at_ns)
    if as_json:
        print_json([_as_json(each) for each in found])
    else:
        for index, each in enumerate(found):
            _print(each, where, is_first=not index)
    if not found:
        known = revisions(told)
        if not known:
            fail(say("about.unknown", name=name), 1)
        fail(say("about.not_yet", name=name, t=when(known[0].holds_from, where)), 1)


def _as_json(found: Description) -> dict[str, Any]:
    since = None if found.since_at is None else format_time(found.since_at)
    facts: dict[str, Any] = {"node": found.node, "device": found.device or None, "class": found.device_class or None}
    facts |= {"rev": found.rev, "since": since, "told": format_time(found.at)}
    return (
        facts
        | dict(found.words)
        | dict(found.figures)
        | {key: value for key, value in found.text.items() if key != "since"}
    )


def _print(found: Description, where: tzinfo, *, is_first: bool) -> None:
    lines = {"node": found.node, "device": found.device, "class": found.device_class, "rev": str(found.rev)}
    lines["since"] = when(found.holds_from, where)
    lines |= found.words
    lines |= {key: f"{value:.10g}" for key, value in found.figures.items()}
    lines |= {key: _in_words(value) for key, value in _texts(found).items()}
    width = max(map(len, lines))
    if not is_first:
        typer.echo()
    for key, text in lines.items():
        if text:
            typer.echo(f"{clean(key):<{width}}  {clean(text)}")


def _texts(found: Description) -> dict[str, object]:
    return {key: value for key, value in found.text.items() if key != "since"}


def _in_words(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {each}" for key, each in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
