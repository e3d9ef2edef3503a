"""The database behind an ingest, for the commands that ask it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.cli.places import configuration, fail
from gateway.cli.table import clean
from gateway.ops.texts import say
from gateway.wire.times import SECOND

if TYPE_CHECKING:
    from gateway.audit.facts import Database
    from gateway.config.model import Ingest

_ANSWER_WITHIN_S = 60.0


@contextmanager
def the_database(table: Ingest) -> Iterator[Database]:
    """Its database, to be asked."""
    if table.sqlite is not None:
        from gateway.audit.sqlite_reader import SqliteReader

        yield SqliteReader(Path(table.sqlite.path))
        return
    from gateway.app.backbone import influx_sink
    from gateway.audit.flux_reader import FluxReader
    from gateway.audit.victoria_reader import VictoriaReader

    influx = table.influx
    assert influx is not None, "checked when the configuration was read"
    sink = influx_sink(influx.model_copy(update={"timeout_s": max(influx.timeout_s, _ANSWER_WITHIN_S)}))
    try:
        retention_ns = int(influx.retention_s * SECOND)
        if sink.dialect() == "victoriametrics":
            yield VictoriaReader(sink.get, retention_ns=retention_ns)
        else:
            yield FluxReader(sink.query, influx.bucket, retention_ns=retention_ns)
    finally:
        sink.close()


def the_ingest(said: Path | None) -> Ingest:
    """The table of that configuration, or of the default one. Ends the command where there is none."""
    path = configuration(said)
    from gateway.config import check

    found, problems = check(path)
    errors = [str(problem) for problem in problems if not problem.is_warning]
    if found is None or errors:
        fail("\n".join(errors))
    if found.ingest is None:
        fail(say("audit.no_ingest", file=path))
    return found.ingest


@contextmanager
def troubles() -> Iterator[None]:
    """What cannot be asked is not accounted for: the command ends with 1 and says what it was."""
    from gateway.ingest.ledger import LedgerError
    from gateway.ingest.parked import ParkedError
    from gateway.ingest.sinks.base import Unavailable

    try:
        yield
    except (LedgerError, ParkedError, Unavailable, OSError) as error:
        fail(say("audit.cannot_ask", why=clean(str(error))), 1)
