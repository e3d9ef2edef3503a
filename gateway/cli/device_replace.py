"""`gateway device replace`: another instrument stands in a device's place; its name, topics and totals go on."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.chosen import FAILED
from gateway.cli.places import configuration, fail
from gateway.cli.table import clean
from gateway.ops.texts import say


def replace(
    device: Annotated[str, typer.Argument(help=say("device_replace.device"), show_default=False)],
    serial: Annotated[str, typer.Option("--serial", help=say("device_replace.serial"), show_default=False)],
    old: Annotated[str, typer.Option("--old", help=say("device_replace.old"), show_default=False)] = "",
    author: Annotated[str, typer.Option("--by", help=say("device_replace.by"), show_default=False)] = "",
    note: Annotated[str, typer.Option("--note", help=say("device_replace.note"), show_default=False)] = "",
    calibration: Annotated[
        list[str] | None,
        typer.Option("--calibration", metavar="QUANTITY=GAIN,OFFSET", help=say("device_replace.calibration")),
    ] = None,
    file: Annotated[Path | None, typer.Option("--config", help=say("explain.config"), show_default=False)] = None,
) -> None:
    """Record it; the running gateway takes it up within a second, one that does not run at its next start."""
    from gateway.config import ConfigError, load
    from gateway.config.named import find_driver
    from gateway.edge.hours import FILE as HOURS
    from gateway.edge.hours import read_hours, renew
    from gateway.edge.instruments import FILE, Instrument, add_instrument, read_instruments

    try:
        config = load(configuration(file))
    except ConfigError as error:
        fail(str(error))
    found = next((each for each in config.devices if each.id == device), None)
    if found is None:
        known = ", ".join(sorted(each.id for each in config.devices))
        fail(say("explain.unknown", device=clean(device), known=known))
    for text in (serial, old, author, note):
        if len(text) > 200 or not text.isprintable() or (text is serial and not text):
            fail(say("config.expect_text", longest=200, found=clean(text)))
    driver = find_driver(found.driver)
    curves = tuple(_curve(text, (*driver.quantities, *driver.sometimes)) for text in calibration or ())
    folder = Path(config.spool.path)
    before = read_instruments(folder / FILE).get(device, [])
    at = max(time.time_ns(), before[-1].at + 1 if before else 0)
    old = old or (before[-1].serial if before else "")
    try:
        add_instrument(folder / FILE, device, Instrument(serial, at, old, author, note, curves))
        if device in read_hours(folder / HOURS):
            renew(folder / HOURS, device)
    except OSError as error:
        fail(f"{folder / FILE}: {error.strerror}", FAILED)
    typer.echo(say("device_replace.done", device=device, serial=clean(serial)))
    for name, gain, offset in curves:
        typer.echo("  " + say("device_replace.calibrated", quantity=name, gain=f"{gain:g}", offset=f"{offset:g}"))


def _curve(text: str, quantities: tuple[str, ...]) -> tuple[str, float, float]:
    """QUANTITY=GAIN,OFFSET or QUANTITY=GAIN. Ends the command where it is neither."""
    name, _, numbers = text.partition("=")
    try:
        gain, offset = [*map(float, numbers.split(",")), 0.0][:2]
    except ValueError:
        fail(say("device_replace.unfit", found=clean(text)))
    if name not in quantities:
        fail(say("steps.no_quantity", quantity=clean(name), known=", ".join(quantities[:12])))
    if not (math.isfinite(gain) and math.isfinite(offset)) or numbers.count(",") > 1:
        fail(say("device_replace.unfit", found=clean(text)))
    return name, gain, offset
