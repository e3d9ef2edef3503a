"""`gateway version`."""

from __future__ import annotations

import json
import platform
from importlib.metadata import version as installed_version
from typing import Annotated

import typer

from gateway.ops.texts import say

app = typer.Typer()


@app.command(help=say("command.version"))
def version(as_json: Annotated[bool, typer.Option("--json", help=say("cli.json"))] = False) -> None:
    """Print what is installed and what it runs on."""
    facts = {
        "version": installed_version("lanna-gateway"),
        "python": platform.python_version(),
        "system": platform.system(),
        "machine": platform.machine(),
    }
    if as_json:
        typer.echo(json.dumps(facts))
    else:
        typer.echo("lanna-gateway {version} (Python {python}, {system} {machine})".format_map(facts))
