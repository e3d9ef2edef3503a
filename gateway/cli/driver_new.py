"""`gateway driver new`: the files of a driver to begin with. They work as they are, for an invented instrument."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal

import typer

from drivers.core import registry
from gateway.cli.places import fail
from gateway.ops.texts import say

_NAME = re.compile(r"[a-z](?:[a-z0-9-]{0,30}[a-z0-9])?")
_FILES = {
    "listening": ("listening.py", "listening.vectors.toml"),
    "radio": ("radio.py", "radio.vectors.toml"),
    "modbus": ("modbus.toml",),
}
Kind = Literal["listening", "modbus", "radio"]


def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help=say("driver_new.name"))],
    kind: Annotated[Kind, typer.Option("--kind", help=say("driver_new.kind"))] = "listening",
    folder: Annotated[Path, typer.Option("--folder", metavar="DIR", help=say("driver_new.folder"))] = Path(),
) -> None:
    """Write the files and say what to do with them. Exit 2 where one exists, or the name is none or taken."""
    if not _NAME.fullmatch(name):
        fail(say("driver_new.bad_name", name=name))
    try:
        taken = registry.find(name).name
    except registry.UnknownDriver:
        pass
    else:
        fail(say("driver_new.taken", name=name, driver=taken))
    stem = name if kind == "modbus" else name.replace("-", "_")
    targets = {folder / (stem + part[len(kind) :]): part for part in _FILES[kind]}
    for target in targets:
        if target.exists():
            fail(say("port_cmd.exists", file=target))
    for target, part in targets.items():
        text = files("gateway.cli").joinpath("templates", f"{part}.txt").read_text("utf-8")
        try:
            target.write_text(text.replace("NAME", name), encoding="utf-8", newline="\n")
        except OSError as error:
            fail(say("config_add.cannot_write", file=target, why=error.strerror or error))
        typer.echo(say("driver_new.wrote", file=target, lines=text.count("\n")))
    first = next(iter(targets))
    typer.echo(say("driver_new.next"))
    typer.echo(f"  gateway driver check {first}")
    if kind != "radio":
        typer.echo(f"  gateway sim {first} --port-out /tmp/{name}")
        typer.echo(f"  gateway demo --real /tmp/{name}={first}")
