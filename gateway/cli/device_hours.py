"""`gateway device hours`: how long the instruments with a laser or fan of a node have run, beside what they last."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from drivers.core.registry import UnknownDriver, find
from gateway.cli.chosen import FAILED, AsJson
from gateway.cli.places import configuration, fail
from gateway.cli.printing import print_json, print_table
from gateway.cli.table import Column, clean
from gateway.ops.texts import say


def hours(
    file: Annotated[Path | None, typer.Argument(metavar="[FILE]", help=say("device_hours.file"))] = None,
    new: Annotated[str, typer.Option("--new", metavar="DEVICE", help=say("device_hours.new"))] = "",
    as_json: AsJson = False,
) -> None:
    """Print the hours, or begin anew for an instrument that was replaced."""
    from gateway.config import ConfigError, load
    from gateway.edge.hours import FILE, read_hours, renew

    try:
        kept = Path(load(configuration(file)).spool.path) / FILE
    except ConfigError as error:
        fail(str(error))
    known = read_hours(kept)
    if new:
        if new not in known:
            fail(say("device_hours.unknown", device=clean(new), known=", ".join(sorted(known)) or "-"))
        try:
            renew(kept, new)
        except OSError as error:
            fail(f"{kept}: {error.strerror}", FAILED)
        known = read_hours(kept)
    rows = {device: (ran.driver, ran.seconds / 3600, _life_h(ran.driver)) for device, ran in sorted(known.items())}
    if as_json:
        print_json({n: {"driver": d, "hours": round(h, 2), "rated_hours": life} for n, (d, h, life) in rows.items()})
        return
    if not rows:
        typer.echo(say("device_hours.none", file=kept))
        return
    columns = [
        Column(say("device_hours.device")),
        Column(say("device_hours.driver")),
        Column(say("device_hours.hours"), align="right"),
        Column(say("device_hours.rated"), align="right"),
        Column(say("device_hours.used"), align="right"),
    ]
    print_table(
        columns,
        [
            [name, driver, f"{run_h:.1f}", f"{life_h:g}" if life_h else "-", f"{run_h / life_h:.0%}" if life_h else "-"]
            for name, (driver, run_h, life_h) in rows.items()
        ],
    )


def _life_h(name: str) -> float:
    try:
        wear = find(name).wear
    except UnknownDriver:
        return 0.0
    return wear.life_h if wear else 0.0
