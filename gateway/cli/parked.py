"""`gateway parked`: what ingest could not store, with its reason: look at it, have it tried again, or give it up.

Works beside a running ingest, which tries again within seconds what is marked for it.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.cli.moments import DEFAULT_ZONE
from gateway.cli.parked_shown import facts, print_one, print_table_of
from gateway.cli.places import configuration, fail
from gateway.cli.printing import print_json
from gateway.cli.spool_options import AsJson, From, To, Zone, ids, option, span, the_zone
from gateway.cli.table import clean
from gateway.ingest.parked import Parked, ParkedError, ParkedStore
from gateway.ops.texts import say

app = typer.Typer(help=say("command.parked"), no_args_is_help=True)

_PAGE = 500
Config = Annotated[Path | None, option("--config", metavar="FILE", text=say("cli.file"))]
Reason = Annotated[str | None, option("--reason", metavar="WORD", text=say("parked.only_reason"))]
NodeName = Annotated[str | None, option("--node", metavar="NAME", text=say("parked.only_node"))]
Ids = Annotated[list[int] | None, typer.Argument(metavar="[ID]...", help=say("parked.ids"), show_default=False)]
Everything = Annotated[bool, typer.Option("--all", help=say("parked.all"))]
Yes = Annotated[bool, typer.Option("--yes", "-y", help=say("parked.yes"))]


@dataclass(frozen=True, slots=True)
class Wish:
    """Which of them; None and empty for no limit, times in ns of when it last came."""

    numbers: tuple[int, ...] = ()
    reason: str | None = None
    node: str | None = None
    from_at: int | None = None
    to_at: int | None = None

    def chosen(self, store: ParkedStore) -> Iterator[Parked]:
        """Those wished for, oldest first."""
        if self.numbers:
            yield from (one for one in map(store.show, self.numbers) if one is not None)
            return
        after_id = 0
        while page := store.entries(reason=self.reason, after_id=after_id, limit=_PAGE):
            yield from filter(self._fits, page)
            after_id = page[-1].id

    def _fits(self, one: Parked) -> bool:
        return (
            (self.node is None or one.refused.node == self.node)
            and (self.from_at is None or one.last_at >= self.from_at)
            and (self.to_at is None or one.last_at < self.to_at)
        )


@app.command("ls", help=say("parked.ls"))
def list_parked(
    reason: Reason = None,
    node: NodeName = None,
    from_: From = None,
    to: To = None,
    limit: Annotated[int, typer.Option(min=0, metavar="N", help=say("spool.limit"))] = 50,
    config: Config = None,
    timezone: Zone = DEFAULT_ZONE,
    as_json: AsJson = False,
) -> None:
    """Print what is parked, the newest last, and how many there are by reason."""
    where = the_zone(timezone)
    ids([node] if node else None)
    wish = Wish((), reason, node, *span(from_, to, where))
    with _store(config) as store:
        counts = store.counts() if store is not None else {}
        found = deque(wish.chosen(store) if store is not None else (), limit or None)
    if as_json:
        for one in found:
            print_json(facts(one))
    else:
        print_table_of(found, counts, where)


@app.command(help=say("parked.show"))
def show(
    number: Annotated[int, typer.Argument(metavar="ID", help=say("parked.id"), show_default=False)],
    config: Config = None,
    timezone: Zone = DEFAULT_ZONE,
    as_json: AsJson = False,
) -> None:
    """Print one of them whole, its payload made safe."""
    where = the_zone(timezone)
    with _store(config) as store:
        one = store.show(number) if store is not None else None
    if one is None:
        fail(say("parked.unknown", id=number), 1)
    if as_json:
        print_json(facts(one))
    else:
        print_one(one, where)


@app.command(help=say("parked.retry"))
def retry(
    numbers: Ids = None,
    reason: Reason = None,
    node: NodeName = None,
    everything: Everything = False,
    yes: Yes = False,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Mark them for another try. Exit 1 where an id is not there."""
    wish = _wish(numbers, reason, node, everything=everything)
    with _store(config) as store:
        found = [one.id for one in wish.chosen(store)] if store is not None else []
        if everything:
            _ask("parked.ask_retry", len(found), yes=yes)
        marked = store.retry(found) if store is not None and found else 0
    _tell("parked.retried", marked, wish, found, as_json=as_json)


@app.command(help=say("parked.drop"))
def drop(
    numbers: Ids = None,
    reason: Reason = None,
    node: NodeName = None,
    everything: Everything = False,
    yes: Yes = False,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Remove them for good, after a question. Exit 1 where an id is not there."""
    wish = _wish(numbers, reason, node, everything=everything)
    with _store(config) as store:
        found = [one.id for one in wish.chosen(store)] if store is not None else []
        if found:
            _ask("parked.ask_drop", len(found), yes=yes)
        gone = len(store.discard(found)) if store is not None and found else 0
    _tell("parked.dropped", gone, wish, found, as_json=as_json)


def _wish(numbers: list[int] | None, reason: str | None, node: str | None, *, everything: bool) -> Wish:
    ids([node] if node else None)
    if [bool(numbers), reason is not None or node is not None, everything].count(True) != 1:
        fail(say("parked.say_which"))
    return Wish(tuple(dict.fromkeys(numbers or ())), reason, node)


def _ask(key: str, count: int, *, yes: bool) -> None:
    """Go on only with a person's consent."""
    if yes or not count:
        return
    if not sys.stdin.isatty():
        fail(say("parked.needs_yes", count=count))
    if not typer.confirm(say(key, count=count), err=True):
        raise typer.Exit(1)


def _tell(key: str, done: int, wish: Wish, found: list[int], *, as_json: bool) -> None:
    absent = [number for number in wish.numbers if number not in found]
    if as_json:
        said: dict[str, Any] = {"done": done, "ids": found, "absent": absent}
        print_json(said)
    else:
        typer.echo(say(key, count=done))
        for number in absent:
            typer.echo(say("parked.unknown", id=number), err=True)
    if absent:
        raise typer.Exit(1)


@contextmanager
def _store(config: Path | None) -> Iterator[ParkedStore | None]:
    """The store of the configured ingest, None where nothing was ever parked. Ends the command where it cannot be."""
    path = configuration(config)
    from gateway.config import check

    found, problems = check(path)
    errors = [str(problem) for problem in problems if not problem.is_warning]
    if found is None or errors:
        fail("\n".join(errors))
    if found.ingest is None:
        fail(say("parked.no_ingest", file=path))
    file = Path(found.ingest.state) / "parked.sqlite"
    try:
        if not file.exists():
            yield None
            return
        store = ParkedStore(file, max_bytes=1 << 62)
        try:
            yield store
        finally:
            store.close()
    except (ParkedError, OSError) as error:
        fail(clean(str(error)), 1)
