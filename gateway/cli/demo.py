"""`gateway demo`: three simulated instruments, a node, a broker and a database on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from gateway.ops.texts import say

app = typer.Typer()


@app.command(help=say("command.demo"))
def demo(
    seconds: Annotated[float, typer.Option(min=0, metavar="N", help=say("demo.seconds"), show_default=False)] = 0,
    as_json: Annotated[bool, typer.Option("--json", help=say("demo.json"))] = False,
    folder: Annotated[Path | None, typer.Option(metavar="DIR", help=say("demo.folder"), show_default=False)] = None,
    real: Annotated[
        list[str] | None, typer.Option("--real", metavar="PORT=DRIVER", help=say("demo.real"), show_default=False)
    ] = None,
    lora: Annotated[bool, typer.Option("--lora", help=say("demo.lora"))] = False,
    broker: Annotated[
        Literal["mosquitto", "iotcore"] | None, typer.Option(help=say("demo.broker"), show_default=False)
    ] = None,
) -> None:
    """Run until Ctrl-C or for N seconds, then read the database back. Exit 1 when anything was lost or doubled."""
    from gateway.cli.demo_parts import real_part
    from gateway.cli.demonstration import run

    parts = [real_part(said, number) for number, said in enumerate(real or (), 1)]
    raise typer.Exit(run(seconds, as_json=as_json, folder=folder, broker=broker, real=parts, has_lora=lora))
