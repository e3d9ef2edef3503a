"""`gateway sim`: an instrument that is not there, with its real protocol, on a port that any program can open."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import fields
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from drivers.core.contract import Dialogue
from gateway.cli.chosen import Address, AsJson, DriverName, Settings, agree, choose_options, choose_wired, line_text
from gateway.cli.places import fail
from gateway.cli.port_play import free
from gateway.cli.printing import print_json
from gateway.cli.stopping import run_until_stopped
from gateway.ops.texts import say
from gateway.sim.faults import Faults
from gateway.sim.instrument import SimulatedDevice, SimulatedLine

app = typer.Typer(help=say("command.sim"))

_UNPLUG = "unplug_s"
_PLUG_S = 1.0
"""How long a cable stays pulled."""


@app.command(help=say("command.sim"))
def sim(
    driver_name: DriverName,
    port_out: Annotated[Path, typer.Option("--port-out", metavar="PATH", help=say("sim.port_out"))],
    address: Address = None,
    faults: Annotated[str, typer.Option("--faults", metavar="NAME=VALUE,…", help=say("sim.faults"))] = "",
    seconds: Annotated[float, typer.Option("--seconds", min=0, help=say("sim.seconds"))] = 0.0,
    period: Annotated[float | None, typer.Option("--period", min=0.001, max=86_400, help=say("sim.period"))] = None,
    seed: Annotated[int, typer.Option("--seed", help=say("sim.seed"))] = 0,
    option: Settings = None,
    as_json: AsJson = False,
) -> None:
    """Talk and answer until --seconds are over or Ctrl-C; then say what was said."""
    driver = choose_wired(driver_name)
    if driver.simulate is None:
        fail(say("sim.none", driver=driver.name))
    options = choose_options(driver, option)
    agree(driver, options, driver.at(address))
    done, unplug_s = parse_faults(faults)
    free(port_out)
    device = SimulatedDevice(driver, seed, address, period, options=options)
    if done.error and not device.can_fail:
        fail(say("sim.no_error", driver=driver.name))
    made: list[SimulatedLine] = []  # a pty lives in an event loop, so it is made there
    make = partial(SimulatedLine, [device], link=port_out, faults=done, seed=seed)
    try:
        run_until_stopped(_run(make, made, unplug_s, is_told=not as_json), seconds)
    except OSError as error:
        fail(say("sim.no_place", path=port_out, why=error.strerror or str(error)))
    line = made[0]
    if as_json:
        facts = {"readings": line.owed, "faults": dict(line.counts), "overrun_bytes": line.overrun}
        print_json({"driver": driver.name, "port": str(port_out), **facts})
    else:
        named = ", ".join(f"{name} {count}" for name, count in sorted(line.counts.items())) or "-"
        typer.echo(say("sim.ended", readings=line.owed, faults=named))


def parse_faults(text: str) -> tuple[Faults, float]:
    """`noise=0.1,chunk_bytes=3,unplug_s=10` as faults, and how often the cable is pulled (seconds, 0 never).

    Ends the command (exit 2) at a name or a value that cannot be.
    """
    kinds = {
        field.name: int if field.name.endswith("_bytes") or field.name == "baud" else float for field in fields(Faults)
    } | {_UNPLUG: float}
    said: dict[str, float] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, value = part.partition("=")
        if name not in kinds:
            close = get_close_matches(name, kinds, n=1)
            nearest = " " + say("driver.nearest", nearest=close[0]) if close else ""
            fail(say("sim.unknown_fault", name=name, known=", ".join(kinds)) + nearest)
        try:
            said[name] = kinds[name](value)
            if not 0 <= said[name] < 1e6:
                raise ValueError
        except ValueError:
            fail(say("sim.bad_fault", part=part))
    unplug_s = said.pop(_UNPLUG, 0.0)
    try:
        return Faults(**said), unplug_s  # type: ignore[arg-type]  # each value was made by its field's kind above
    except ValueError as error:
        fail(say("sim.bad_fault", part=str(error)))


async def _run(make: Callable[[], SimulatedLine], made: list[SimulatedLine], unplug_s: float, *, is_told: bool) -> None:
    line = make()
    made.append(line)
    if is_told:
        _tell(line)
    async with asyncio.TaskGroup() as group:
        group.create_task(line.run(), name="sim line")
        if unplug_s:
            group.create_task(_pull(line, unplug_s), name="sim cable")


async def _pull(line: SimulatedLine, every_s: float) -> None:
    while True:
        await asyncio.sleep(every_s)
        line.unplug()
        await asyncio.sleep(_PLUG_S)
        line.replug()


def _tell(line: SimulatedLine) -> None:
    device = line.devices[0]
    driver = device.driver
    typer.echo(say("sim.ready", driver=driver.name, path=line.path, line=line_text(driver.line)))
    if isinstance(driver.kind, Dialogue):
        typer.echo(say("sim.no_break"))
    typer.echo(f"  gateway device try {driver.name} {line.path}")
