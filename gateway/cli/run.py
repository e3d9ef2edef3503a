"""`gateway run`: an edge node, a backbone, or both, as the configuration says."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.places import configuration
from gateway.ops.texts import say

app = typer.Typer()


@app.command(help=say("command.run"))
def run(file: Annotated[Path | None, typer.Argument(help=say("cli.file"), show_default=False)] = None) -> None:
    """Run what the file describes until it is told to stop."""
    path = configuration(file)
    from gateway import app as composition

    composition.run_file(path)
