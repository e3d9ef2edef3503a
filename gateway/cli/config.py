"""`gateway config`: check a configuration, print an example of one, print its JSON Schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from gateway.cli.config_add import add
from gateway.cli.places import configuration
from gateway.ops.texts import say

app = typer.Typer(help=say("command.config"), no_args_is_help=True)


@app.command(help=say("cli.config_check"))
def check(
    file: Annotated[Path | None, typer.Argument(help=say("cli.file"), show_default=False)] = None,
    as_json: Annotated[bool, typer.Option("--json", help=say("cli.json"))] = False,
    here: Annotated[bool, typer.Option("--here", help=say("cli.config_here"))] = False,
) -> None:
    """Print everything that is wrong, or what the configuration describes. Exit 2 where something is wrong."""
    from gateway import config

    path = configuration(file)
    found, problems = config.check(path, is_here=here, with_ports=here)
    errors = sum(not problem.is_warning for problem in problems)
    if as_json:
        rows = [
            {
                "file": str(problem.file),
                "line": problem.line,
                "key": problem.key,
                "message": problem.message,
                "level": "warning" if problem.is_warning else "error",
            }
            for problem in problems
        ]
        typer.echo(json.dumps({"errors": errors, "problems": rows}, ensure_ascii=False))
    else:
        for problem in problems:
            typer.echo(str(problem))
        typer.echo(
            _summary(path, found) if found is not None and not errors else say("cli.config_errors", count=errors)
        )
    raise typer.Exit(2 if errors else 0)


def _summary(path: Path, found: object) -> str:
    from gateway.config import Config

    assert isinstance(found, Config)
    parts = []
    if found.node is not None:
        parts.append(say("cli.config_node", node=found.node.id, devices=len(found.devices)))
    if found.ingest is not None:
        parts.append(say("cli.config_ingest", sink="SQLite" if found.ingest.sqlite else "InfluxDB"))
    return say("cli.config_good", file=path, what=", ".join(parts))


@app.command(help=say("cli.config_example"))
def example(
    what: Annotated[Literal["node", "backbone", "both"], typer.Argument(help=say("cli.config_what"))] = "both",
) -> None:
    """Print an example that explains every key."""
    from gateway.config.example import example as make

    typer.echo(make(what), nl=False)


@app.command(help=say("cli.config_schema"))
def schema() -> None:
    """Print the JSON Schema of a configuration."""
    from gateway.config.schema import schema as make

    typer.echo(json.dumps(make(), ensure_ascii=False, indent=2))


app.command("add", help=say("config_add.add"))(add)
