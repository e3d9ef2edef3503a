"""`gateway run`: an edge node, a backbone, or both, as the configuration says."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.places import configuration, fail
from gateway.ops.texts import say

app = typer.Typer()


@app.command(help=say("command.run"))
def run(file: Annotated[Path | None, typer.Argument(help=say("cli.file"), show_default=False)] = None) -> None:
    """Run what the file describes until it is told to stop. Exit 2 where it is wrong, 1 where it cannot be run here."""
    path = configuration(file)
    from gateway import app as composition
    from gateway.config import ConfigError

    try:
        composition.run_file(path)
    except ConfigError as error:
        fail(str(error))
    except _not_to_be_waited_out() as error:  # evaluated only when something was raised
        fail(say("cli.cannot_run", why=str(error)), 1)


def _not_to_be_waited_out() -> tuple[type[Exception], ...]:
    """What ends a run for good, each with a message that says the remedy."""
    from gateway.ingest.ledger import LedgerError
    from gateway.ingest.parked import ParkedError
    from gateway.ingest.presence import AnotherIngest
    from gateway.lora.keys import KeysError
    from gateway.spool.errors import SpoolError

    return SpoolError, LedgerError, ParkedError, AnotherIngest, KeysError
